"""A page that runs a model in a browser: one file with the network, the engine and the decoder, no server."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from aemm.export.network import ExportError
from aemm.export.writers import Graph, need_export, write_onnx
from aemm.runtime.description import Description

ENGINE = "onnxruntime-web@1.30.0"
"""The engine in the page, as npm names it."""
_PARTS = Path(__file__).with_name("web")
_WORTH_HALVING = 1024  # numbers of a weight; smaller ones save nothing


def write_web(graph: Graph, description: Description, path: Path) -> None:
    """A page with an ONNX file whose weights are kept in float16 and computed with in float32.

    Args:
        graph: with maps.
        description: of a pose model.
        path: of the html file; the network lies beside it as an ONNX file, too.

    Raises:
        ExportError: the page cannot decode such a model, or the engine cannot be fetched.
    """
    check_for_web(description)
    engine, wasm = _fetch_engine()
    model = network_of_page(path)
    write_onnx(graph, description, model)
    halve_weights(model)
    parts = {
        "description": description.to_json().replace("<", "\\u003c"),
        "engine": engine.decode("utf-8").replace("</script", "<\\/script"),
        "wasm": base64.b64encode(wasm).decode(),
        "model": base64.b64encode(model.read_bytes()).decode(),
        "people": (_PARTS / "people.js").read_text(encoding="utf-8"),
        "page": (_PARTS / "page.js").read_text(encoding="utf-8"),
    }
    text = (_PARTS / "page.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    path.write_text(text, encoding="utf-8")


def network_of_page(path: Path) -> Path:
    """The ONNX file beside a page, of a name that no export of its own has."""
    return Path(f"{path}.onnx")


def check_for_web(description: Description) -> None:
    """Raise unless the page can decode what a model finds.

    Raises:
        ExportError: naming what it cannot do.
    """
    if description.task != "pose" or "heatmaps" not in description.outputs:
        raise ExportError(
            f"the page decodes poses with their maps alone, got task {description.task!r} with the outputs "
            f"{list(description.outputs)}; leave --no-maps and --contract out, set model.postprocessors=[] where a "
            "network refines, or choose another format"
        )
    rules: dict[str, Any] = description.rules
    lacking = []
    if "hessian" in (rules["subpixel"], rules["filled_subpixel"]) or rules["subpixel"] != rules["filled_subpixel"]:
        lacking.append("subpixel='hessian', or another filled_subpixel than subpixel")
    if rules["filled_border"] != "map":
        lacking.append(f"filled_border={rules['filled_border']!r}")
    if rules["grouping"]["equal_tags"] != "apart":
        lacking.append(f"equal_tags={rules['grouping']['equal_tags']!r}")
    if description.convention == "udp":
        lacking.append("convention='udp'")
    if lacking:
        raise ExportError(
            f"the page cannot decode {'; '.join(lacking)}; change it by --cfg-options, such as "
            "model.decoder.equal_tags=apart"
        )


def halve_weights(path: Path) -> None:
    """Keep the large weights of an ONNX file in float16, cast to float32 when it is loaded; in place."""
    need_export()
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < _WORTH_HALVING:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(path))


def _fetch_engine() -> tuple[bytes, bytes]:
    """Code and WebAssembly of the engine, from npm's registry or cache.

    Raises:
        ExportError: there is no npm, or it does not get the package.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(f"the page holds {ENGINE}, which npm fetches, but npm is not installed; install Node.js")
    with tempfile.TemporaryDirectory() as folder:
        fetched = subprocess.run([npm, "pack", ENGINE, "--silent"], cwd=folder, capture_output=True, text=True)
        archives = list(Path(folder).glob("*.tgz"))
        if fetched.returncode or not archives:
            raise ExportError(f"npm cannot fetch {ENGINE}: {fetched.stderr.strip()[-300:]}")
        with tarfile.open(archives[0]) as archive:
            names = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
            parts = [archive.extractfile(f"package/dist/{name}") for name in names]
            code, wasm = (part.read() for part in parts if part is not None)
    return code, wasm
