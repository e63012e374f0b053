"""Calls by which code can take in bytes from outside, found by its syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# names of functions of other packages that read, or that look as if they could
_READS = re.compile(
    r"open|read|load|parse|unpack|decode|pickler|fetch|download|retrieve|capture|from_?file|from_?string|from_?txt|from_?json"
    r"|from_?uri|mmap|import_|exec|eval|archive|zipfile|tarfile|^get$|^get_(text|local_path)$|^COCO$|^File$|^compile$|recv|^connect$|^run_(path|module)$"
    r"|session",
    re.IGNORECASE,
)
_BUILTINS = {"open", "exec", "eval", "compile", "__import__", "input"}
# of a path or a stream, whatever it is called; names of objects that read what others opened are not among them
_METHODS = {"open", "read_text", "read_bytes", "fromfile", "from_file", "readinto", "recv"}
_WRITES = re.compile("[wax]")
_HARMLESS = {
    *("argparse.ArgumentParser", "torch.distributed.run.parse_args", "urllib.parse.urlparse", "zipfile.is_zipfile"),
    *("threading.Thread", "threading.current_thread", "threading.main_thread", "re.compile", "torch.compile"),
    "torch.nn.utils.fusion.fuse_conv_bn_eval",
    *("concurrent.futures.ThreadPoolExecutor", "torch.get_num_threads", "torch.set_num_threads", "os.fsdecode"),
    *("os.environ.get", "sys.modules.get", "pycocotools.mask.decode", "ast.parse", "os.path.isfile"),
    *("mmengine.runner.Runner.build_dataloader", "ast.literal_eval", "signal.pthread_sigmask"),
    *("urllib.parse.parse_qs", "cv2.getNumThreads"),
}


def reading_functions(path: Path) -> Iterator[str]:
    """The functions of a module that read, as ``package.module.Class.function``; a module's own lines as ``<module>``.

    Args:
        path: of the module, below the root of the project.
    """
    tree = ast.parse(path.read_text())
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    imported = dict(_imports(tree))
    for scope, call in _calls(tree, ()):
        if _reads(call, imported):
            yield ".".join((module, *(scope or ("<module>",))))


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of a module, and what of other packages they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                first = name.name.partition(".")[0]
                yield (name.asname or first), (name.name if name.asname else first)
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield (name.asname or name.name), f"{node.module}.{name.name}"


def _calls(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.Call]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = (*scope, child.name) if named else scope
        if isinstance(child, ast.Call):
            yield inner, child
        yield from _calls(child, inner)


def _reads(call: ast.Call, imported: dict[str, str]) -> bool:
    steps, function = [], call.func
    while isinstance(function, ast.Attribute):
        steps.insert(0, function.attr)
        function = function.value
    first = function.id if isinstance(function, ast.Name) else ""
    if not steps:
        steps, first = ([], imported[first]) if first in imported else ([first], "")
    elif first in imported:
        first = imported[first]
    else:  # a method of something
        return steps[-1] in _METHODS and not _only_writes(call, 0) and _may_open(call, steps[-1])
    if not first:
        return steps[-1] in _BUILTINS and not _only_writes(call, 1)
    name = ".".join([first, *steps])
    return (
        not name.startswith(("aemm.", "tests.")) and name not in _HARMLESS and bool(_READS.search(name.rsplit(".")[-1]))
    )


def _may_open(call: ast.Call, method: str) -> bool:
    """Whether a method called ``open`` is that of a path, which takes a mode first, if anything."""
    return method != "open" or not call.args or isinstance(call.args[0], ast.Constant)


def _only_writes(call: ast.Call, position: int) -> bool:
    """Whether a call of ``open`` says that it writes; one that does not say, reads."""
    modes = [word.value for word in call.keywords if word.arg == "mode"] + call.args[position : position + 1]
    return any(isinstance(mode, ast.Constant) and bool(_WRITES.match(str(mode.value))) for mode in modes)
