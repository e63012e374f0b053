"""Arguments that several commands share. Nothing slow is imported before a command line was read."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

MODEL = "--model"
PUBLISHED = "published"  # as aemm.engine.published has it


class CommandParser(argparse.ArgumentParser):
    """A parser in which ``--model NAME``, where a command has it, stands for a config and a checkpoint.

    These are the first two words of such a command: the recipe of that name, and ``published`` for its weights.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in argparse, the short form spelt out before."""
        words = sys.argv[1:] if args is None else list(args)
        if MODEL in self._option_string_actions:
            words = _spelt_out(words)
        return super().parse_known_args(words, namespace)


def _spelt_out(words: list[str]) -> list[str]:
    """``NAME published`` and the rest, for words with ``--model NAME`` or ``--model=NAME`` among them."""
    for i, word in enumerate(words):
        option, sign, name = word.partition("=")
        if option == MODEL and (sign or i + 1 < len(words)):
            rest = words[i + 1 :] if sign else words[i + 2 :]
            return [name if sign else words[i + 1], PUBLISHED, *words[:i], *rest]
    return words


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """A checkpoint, behind the config, and the short form of both for published weights."""
    parser.add_argument("checkpoint", help=f"checkpoint file, or {PUBLISHED!r} for the published weights of a recipe")
    parser.add_argument(
        MODEL, metavar="NAME", help="in place of config and checkpoint: a recipe and its published weights"
    )


def add_config(parser: argparse.ArgumentParser, text: str = "config file") -> None:
    """A config file, and overrides of its values."""
    parser.add_argument("config", help=f"{text}, or the name of a recipe (aemm models lists them)")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Overrides of a config's values."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        type=option,
        metavar="KEY=VALUE",
        help="overrides, such as model.decoder.threshold=0.2 or 'train_dataloader.batch_size=4'",
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """How the processes of a run were started."""
    parser.add_argument(
        "--launcher", choices=["none", "pytorch", "slurm"], default="none", help="set by the launch scripts"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where the network runs."""
    parser.add_argument("--device", help="such as cuda:1 or cpu; default the first GPU if there is one")


def add_views(parser: argparse.ArgumentParser) -> None:
    """In which sizes, and whether mirrored, an image is shown to the network."""
    parser.add_argument(
        "--scales", nargs="+", type=scale, metavar="SCALE", help="sizes of the image, 2 1 0.5 for example"
    )
    parser.add_argument("--no-flip", action="store_true", help="do not add what is found in the mirrored image")


def add_speed(parser: argparse.ArgumentParser) -> None:
    """How the network is run."""
    parser.add_argument("--batch-size", type=count, metavar="N", help="images of one size that it sees together")
    parser.add_argument("--half", action="store_true", help="run it in 16 bits")
    parser.add_argument("--compile", action="store_true", help="compile it: a slow start, then faster")
    parser.add_argument("--fuse", action="store_true", help="fold its batch norms into its convolutions")
    parser.add_argument(
        "--channels-last",
        action=argparse.BooleanOptionalAction,
        help="let images and weights lie in memory as NHWC; default as the config says",
    )


def chosen_speed(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_speed` took, but for the batch size, as fields of :class:`aemm.engine.Speed`."""
    return dict(half=args.half, compile=args.compile, fuse=args.fuse, channels_last=args.channels_last)


def add_thinning(parser: argparse.ArgumentParser, nms: str, min_score: float) -> None:
    """What leaves the result.

    Args:
        parser: takes the arguments.
        nms: what is done with instances that lie on each other, unless the user says otherwise.
        min_score: of the instances that stay, likewise.
    """
    parser.add_argument(
        "--nms",
        choices=["hard", "soft", "off"],
        default=nms,
        help=f"of instances that lie on each other keep the best, lower the others' scores, or keep all; default {nms}",
    )
    parser.add_argument(
        "--nms-threshold", type=share, metavar="OVERLAP", help="from which overlap on; default 0.7, of masks 0.5"
    )
    parser.add_argument(
        "--min-score", type=share, default=min_score, help=f"leave out instances below it; default {min_score:g}"
    )
    parser.add_argument("--min-keypoint-score", type=share, default=0.0, help="leave out keypoints below it; default 0")


def chosen_thinning(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_thinning` took, as fields of :class:`aemm.engine.Thinning`."""
    names = ("nms", "nms_threshold", "min_score", "min_keypoint_score")
    return {name: getattr(args, name) for name in names}


def choose_views(cfg: Config, args: argparse.Namespace) -> None:
    """Change a config's views of an image to those that :func:`add_views` took, if any.

    Raises:
        ConfigError: the config has no such views.
    """
    if args.scales or args.no_flip:
        from aemm.engine.config import set_views

        set_views(cfg, args.scales, False if args.no_flip else None)


def option(text: str) -> str:
    """``KEY=VALUE`` as it stands; :func:`parse_options` reads the value."""
    key, sign, _ = text.partition("=")
    if not key or not sign:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return text


def count(text: str) -> int:
    """A number of things, at least one."""
    return _whole(text, 1, "a whole number of at least 1")


def seed(text: str) -> int:
    """A seed of all random numbers."""
    return _whole(text, 0, "a whole number from 0 to 4294967295", 2**32 - 1)  # numpy takes 32 bits


def scale(text: str) -> float:
    """A positive factor."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def _whole(text: str, low: int, expected: str, high: float = math.inf) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return int(text)


def parse_options(words: Sequence[str] | None) -> dict[str, Any]:
    """Overrides by dotted key, each value read as mmengine reads it: numbers, booleans, lists, tuples, text.

    Args:
        words: of :func:`option`; None for none.

    Raises:
        ValueError: the brackets of a value do not match.
    """
    from mmengine.config import DictAction

    found = argparse.Namespace(options={})
    read = DictAction(["--cfg-options"], "options")
    for word in words or ():
        try:
            read(argparse.ArgumentParser(), found, [word])
        except (AssertionError, RecursionError) as error:
            raise ValueError(f"--cfg-options {word}: the brackets of the value do not match") from error
    return found.options
