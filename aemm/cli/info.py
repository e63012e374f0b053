"""Say what aemm runs on: versions, devices, threads, what was found, and how to get what was not."""

from __future__ import annotations

import argparse

from aemm.cli.outcome import ExitCode

EXAMPLES = ("", "--json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How it is printed."""
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> ExitCode:
    """Print it."""
    from aemm.engine.environment import describe_environment

    found = describe_environment()
    if args.json:
        import json

        print(json.dumps({title: dict(rows) for title, rows in found.items()}, indent=1))
        return ExitCode.DONE
    width = max(len(name) for rows in found.values() for name, _ in rows)
    for title, rows in found.items():
        print(title)
        for name, text in rows:
            print(f"  {name:<{width}}  {text}")
    return ExitCode.DONE
