"""Curves of trainings as mmengine writes them."""

import json


def write_scalars(folder, start, rows):
    """The scalars of a start of a training, rows as dicts or as text."""
    place = folder / start / "vis_data"
    place.mkdir(parents=True)
    lines = [row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows]
    (place / "scalars.json").write_text("".join(lines))


def step_row(step, loss):
    """What a step of training logs."""
    return {"lr": 0.1, "loss": loss, "time": 1.0, "epoch": 1, "iter": step, "step": step}
