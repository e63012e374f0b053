"""The pages of the documentation, cut into blocks of code, headings and links."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# docs/CHANGELOG.md and its like only include the page of that name at the root
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")]
    if not path.read_text(encoding="utf-8").startswith("```{include}")
)
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """The place, as editors open it."""
        return f"{self.page}:{self.line}"


def read(page: str) -> str:
    """The text of a page, named from the root; of a notebook that between its cells of code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if not page.endswith(".ipynb"):
        return text
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(lines) for lines in cells)


def blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages; of none, all blocks."""
    found = []
    for page in PAGES:
        text = read(page)
        for fence in _FENCE.finditer(text):
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(page, line, fence[2], fence[3]))
    return [block for block in found if not languages or block.language in languages]


def prose(page: str) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", read(page))


def commands() -> Iterator[tuple[Block, list[str]]]:
    """Every command of every console block, as words; settings of the environment before it are left out."""
    for block in blocks("bash"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r" && |; ", re.sub(r"(^| )#.*", "", line)):
                words = shlex.split(part)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                if words:
                    yield block, words


def links(page: str) -> list[tuple[str, str]]:
    """File and anchor of every link of a page to the project's own files, the file as a path from the root."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    found = []
    for target in re.findall(r"\]\(([^()\s]+)\)", text):
        name, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", name):
            path = (ROOT / page).parent / name if name else ROOT / page
            found.append((path.resolve().relative_to(ROOT).as_posix(), anchor))
    return found


def anchors(page: str) -> set[str]:
    """What the headings of a page can be linked by: the names that myst and GitHub give them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found
