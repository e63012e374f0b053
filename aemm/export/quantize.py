"""Networks in 8-bit numbers, and what that costs in the figures of the test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from aemm.export.network import ExportError
from aemm.registry import DATASETS, METRICS
from aemm.runtime import Predictor


class _Reader:
    """Calibration images as ONNX Runtime's quantiser asks for them."""

    def __init__(self, inputs: Iterable[np.ndarray]) -> None:
        self._inputs: Iterator[np.ndarray] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input; None behind the last."""
        image = next(self._inputs, None)
        return None if image is None else {"image": image}


def quantize(path: Path, inputs: Sequence[np.ndarray]) -> int:
    """Let the convolutions of an ONNX file compute in 8 bits, in place, but for those that make the maps.

    Ranges of values are those seen on the inputs; weights have a range for each channel.

    Args:
        path: of the file, in float32.
        inputs: images ``(1, 3, H, W) uint8`` as the graph takes them.

    Returns:
        How many convolutions were quantised.

    Raises:
        ExportError: there is no input to calibrate with.
    """
    if not inputs:
        raise ExportError("int8 needs images to calibrate with, got none; name some by --images")
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    described = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        kept = _last_convolutions(onnx.load(str(prepared)).graph)
        quantize_static(
            str(prepared),
            str(path),
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept,
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, described)
    onnx.save(model, str(path))
    return sum(node.op_type == "Conv" for node in model.graph.node) - len(kept)


def _last_convolutions(graph: Any) -> list[str]:
    """Names of the convolutions behind which there is no other: heatmaps and tags, which 8 bits would blur."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    leads: dict[str, bool] = {}  # whether a convolution reads a value, now or later
    for node in reversed(graph.node):  # those behind come first
        for name in node.output:
            behind = readers.get(name, [])
            leads[name] = any(
                reader.op_type in ("Conv", "ConvTranspose") or any(leads.get(out, False) for out in reader.output)
                for reader in behind
            )
    return [node.name for node in graph.node if node.op_type == "Conv" and not leads[node.output[0]]]


def measure(cfg: Config, predictor: Predictor, most: int) -> dict[str, float]:
    """The figures of a config's test, of an exported file and on the first images.

    Args:
        cfg: names test data and evaluator.
        predictor: of the file.
        most: images.

    Raises:
        OSError: the data cannot be read.
        ValueError: they are not valid.
    """
    data: Any = DATASETS.build({**cfg.test_dataloader.dataset, "pipeline": [], "test_mode": True})
    metric: Any = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = data.metainfo
    for i in range(min(most, len(data))):
        sample = data[i]
        metric.add(sample.truth, predictor.predict(sample.image, sample.image_id))
    return metric.compute_metrics(metric.results)
