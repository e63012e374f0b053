"""What is said about time: tables, and advice that follows from shares."""

import os

from mmengine.config import Config

from aemm.apis.time_advice import prediction_advice, time_table, training_advice
from aemm.engine.training_times import WAIT, LoadingTimes

CFG = Config(dict(model=dict(data_preprocessor=dict(channels_last=True)), optim_wrapper=dict(type="OptimWrapper")))
LOADING = LoadingTimes(dict(read=0.3, ColorJitter=0.5), batch_size=8, workers=0)


def test_a_table_lists_milliseconds_and_shares_and_sums_up_what_is_small():
    table = time_table("an image", dict(read=0.25, network=0.7499, draw=0.00005, write=0.00005))
    title, *lines = table.splitlines()
    assert title == "an image"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[0] == ["step", "ms", "share"]
    assert ["read", "250.00", "25.0 %"] in cells
    assert ["2 more, each below 0.1 %", "0.10", "0.0 %"] in cells
    assert cells[-1] == ["all", "1000.00", ""]


def test_waiting_for_data_asks_for_as_many_workers_as_keep_up(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    steps = {WAIT: 0.8, "forward": 0.1, "losses": 0.2}
    (advice,) = training_advice(CFG, steps, LOADING, "cpu")
    assert "waiting for data takes 73%" in advice
    assert "num_workers=3, instead of 0" in advice
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert "num_workers=2, as many as this machine has cores (2)" in training_advice(CFG, steps, LOADING, "cpu")[0]
    (full,) = training_advice(CFG, steps, LoadingTimes(LOADING.steps, 8, 2), "cpu")
    assert "the dearest step of a sample is ColorJitter" in full


def test_nothing_is_advised_where_nothing_stands_out():
    steps = {WAIT: 0.01, "forward": 0.2, "losses": 0.4, "optimizer": 0.4, "hook LoggerHook": 0.01}
    assert training_advice(CFG, steps, LOADING, "cuda") == []


def test_a_dear_network_and_a_dear_hook_are_named():
    steps = {WAIT: 0.0, "forward": 0.3, "backward": 0.5, "hook VisualizationHook": 0.2}
    advice = training_advice(Config(dict(model={}, optim_wrapper={})), steps, LOADING, "cuda")
    assert [line.split(" ")[0] for line in advice] == ["the", "it", "images", "VisualizationHook"]
    assert "--amp" in advice[1]
    assert "channels_last=True" in advice[2]
    assert not [line for line in training_advice(CFG, steps, LOADING, "cpu") if "--amp" in line or "NCHW" in line]


def test_a_prediction_is_bound_by_its_dearest_step():
    cfg = Config(dict(model=dict(tta=dict(flip=True), data_preprocessor=dict(channels_last=True))))
    advice = prediction_advice(cfg, dict(read=0.01, network=0.08, write=0.01), "cpu")
    assert "--fuse" in advice[0]
    assert "--half" not in advice[0]
    assert "--no-flip" in advice[1]
    assert "network: 12 images a second" in advice[-1]
    drawn = prediction_advice(cfg, dict(read=0.3, network=0.01, decode=0.3, draw=0.01, write=0.4), "cpu")
    assert [line.split(" ")[0] for line in drawn] == ["decoding", "read", "write", "aemm"]
