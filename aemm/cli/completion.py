"""Print the completion of commands, options and recipes for a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from aemm.cli.outcome import ExitCode

EXAMPLES = ("bash", "zsh")
_TAKES_RECIPE = ("config", "configs", "source_config", "name")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For which shell."""
    parser.add_argument(
        "shell",
        choices=["bash", "zsh", "fish"],
        help="bash: save the output in ~/.local/share/bash-completion/completions/aemm; zsh: as _aemm in a folder of "
        "$fpath; fish: in ~/.config/fish/completions/aemm.fish",
    )


def main(args: argparse.Namespace) -> ExitCode:
    """Print the script."""
    from aemm.cli import build_parser
    from aemm.formats.recipes import recipes

    commands = list(_commands(build_parser()))
    names = [recipe.name for recipe in recipes()]
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](commands, names))
    return ExitCode.DONE


@dataclass(frozen=True)
class Command:
    """What can be completed behind a command.

    Attributes:
        name: of the command.
        summary: what it does.
        options: with their help.
        words: that may stand where no option does.
        choices: the values of each option that has but a few.
        takes_recipe: whether the name of a recipe may be among its words.
    """

    name: str
    summary: str
    options: dict[str, str]
    words: list[str]
    choices: dict[str, list[str]]
    takes_recipe: bool


def _commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """The commands of a parser, from what argparse knows of them."""
    (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {action.dest: action.help or "" for action in group._choices_actions}
    for name, command in group.choices.items():
        options, choices = {}, {}
        words: list[str] = []
        for action in command._actions:
            known = [str(choice) for choice in action.choices or ()]
            for option in action.option_strings:
                options[option] = action.help or ""
                if known:
                    choices[option] = known
            if not action.option_strings:
                words += known
        takes_recipe = any(action.dest in _TAKES_RECIPE for action in command._actions if not action.option_strings)
        if "--model" in options:
            choices["--model"] = ["@recipes"]
        yield Command(name, summaries[name], options, words, choices, takes_recipe)


def _bash(commands: list[Command], recipes: list[str]) -> str:
    cases = []
    for command in commands:
        lines = [f"    {command.name})", f'      options="{" ".join(command.options)}"']
        lines.append(f'      words="{_words(command, recipes)}"')
        if command.choices:
            lines.append('      case "$before" in')
            for option, values in command.choices.items():
                lines.append(
                    f'        {option}) COMPREPLY=($(compgen -W "{_values(values, recipes)}" -- "$current")); return ;;'
                )
            lines.append("      esac")
        cases += [*lines, "      ;;"]
    names = " ".join(command.name for command in commands)
    return "\n".join(
        [
            "_aemm() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" options="" words=""',
            '  if [ "$COMP_CWORD" -eq 1 ]; then',
            f'    COMPREPLY=($(compgen -W "{names} --help --version" -- "$current"))',
            "    return",
            "  fi",
            '  case "${COMP_WORDS[1]}" in',
            *cases,
            "  esac",
            '  case "$current" in',
            '    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;',
            '    *) COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current")) ;;',
            "  esac",
            "}",
            "complete -o filenames -F _aemm aemm",
        ]
    )


def _zsh(commands: list[Command], recipes: list[str]) -> str:
    described = " ".join(_quoted(f"{command.name}:{command.summary}") for command in commands)
    cases = []
    for command in commands:
        cases.append(f"    {command.name})")
        cases.append(f"      options=({' '.join(_quoted(_escaped(o) + ':' + t) for o, t in command.options.items())})")
        cases.append(f"      words_here=({_words(command, recipes)})")
        if command.choices:
            cases.append("      case $words[CURRENT-1] in")
            cases += [f"        {o}) words_here=({_values(v, recipes)}) ;;" for o, v in command.choices.items()]
            cases.append("      esac")
        cases.append("      ;;")
    return "\n".join(
        [
            "#compdef aemm",
            "_aemm() {",
            "  local -a commands options words_here",
            f"  commands=({described})",
            "  if (( CURRENT == 2 )); then",
            "    _describe command commands",
            "    return",
            "  fi",
            "  case $words[2] in",
            *cases,
            "  esac",
            "  if [[ $words[CURRENT] == -* ]]; then",
            "    _describe option options",
            "  else",
            "    compadd -a words_here",
            "    _files",
            "  fi",
            "}",
            'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _aemm "$@"; else compdef _aemm aemm; fi',
        ]
    )


def _fish(commands: list[Command], recipes: list[str]) -> str:
    lines = [
        "complete -c aemm -n __fish_use_subcommand -l help",
        "complete -c aemm -n __fish_use_subcommand -l version",
    ]
    for command in commands:
        lines.append(
            f"complete -c aemm -f -n __fish_use_subcommand -a {command.name} -d {_quoted(command.summary, fish=True)}"
        )
        here = f"complete -c aemm -n '__fish_seen_subcommand_from {command.name}'"
        for option, text in command.options.items():
            kind = "-l" if option.startswith("--") else "-s"
            values = command.choices.get(option)
            given = f" -x -a '{_values(values, recipes)}'" if values else ""
            lines.append(f"{here} {kind} {option.lstrip('-')}{given} -d {_quoted(text, fish=True)}")
        if words := _words(command, recipes):
            lines.append(f"{here} -a '{words}'")
    return "\n".join(lines)


def _words(command: Command, recipes: list[str]) -> str:
    return " ".join([*command.words, *(recipes if command.takes_recipe else ())])


def _values(values: list[str], recipes: list[str]) -> str:
    return " ".join(recipes if values == ["@recipes"] else values)


def _escaped(option: str) -> str:
    return option.replace(":", "\\:")


def _quoted(text: str, fish: bool = False) -> str:
    """A text as one word of a shell, on one line."""
    plain = " ".join(text.split())
    return "'" + (plain.replace("\\", "\\\\").replace("'", "\\'") if fish else plain.replace("'", "'\\''")) + "'"
