"""The commands: one module each, with ``EXAMPLES``, ``add_arguments(parser)`` and ``main(args)``.

Their modules import nothing slow before their ``main`` runs, so that help comes at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from aemm import __version__
from aemm.cli import (
    browse,
    check,
    check_data,
    completion,
    complexity,
    convert,
    convert_data,
    curves,
    evaluate,
    export,
    info,
    init,
    map_keypoints,
    models,
    oracle,
    pack,
    predict,
    profile,
    publish,
    replay,
    report,
    test,
    train,
)
from aemm.cli.arguments import CommandParser
from aemm.cli.outcome import ExitCode, run

COMMANDS: dict[str, ModuleType] = {
    "check": check,
    "train": train,
    "test": test,
    "evaluate": evaluate,
    "predict": predict,
    "check-data": check_data,
    "convert-data": convert_data,
    "pack": pack,
    "report": report,
    "curves": curves,
    "oracle": oracle,
    "complexity": complexity,
    "profile": profile,
    "convert": convert,
    "export": export,
    "map-keypoints": map_keypoints,
    "publish": publish,
    "replay": replay,
    "init": init,
    "browse": browse,
    "models": models,
    "info": info,
    "completion": completion,
}
_END = "exit codes: " + ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``aemm``.

    Args:
        argv: its words; by default those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: the command line is wrong, or asks for help or the version.
    """
    args = build_parser().parse_args(argv)
    return run(lambda: args.main(args))


def build_parser() -> argparse.ArgumentParser:
    """The command line of all commands."""
    parser = CommandParser("aemm", description="Associative embedding for poses and instances.", epilog=_END)
    parser.add_argument("--version", action="version", version=f"aemm {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, help="aemm COMMAND --help tells more")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or name).strip().rstrip(".")  # python -OO keeps no docstrings
        _describe(commands.add_parser(name, help=summary[0].lower() + summary[1:]), module)
    return parser


def run_tool(name: str, words: Sequence[str] = ()) -> int:
    """A command as a script of its own, as ``tools/`` holds them.

    Args:
        name: of the command.
        words: that stand before those of the process.

    Returns:
        The exit code.
    """
    parser = CommandParser(f"python {sys.argv[0]}")
    _describe(parser, COMMANDS[name])
    args = parser.parse_args([*words, *sys.argv[1:]])
    return run(lambda: args.main(args))


def _describe(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    """Give a parser what a command's module says of itself."""
    parser.description = module.__doc__
    parser.epilog = "\n  ".join(["examples:", *(f"{parser.prog} {example}" for example in module.EXAMPLES)])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(main=module.main, parser=parser)
    module.add_arguments(parser)
