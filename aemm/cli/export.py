"""Export a trained model to a file that runs elsewhere, and check that it finds the same."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from aemm.cli.arguments import add_config, count, parse_options
from aemm.cli.outcome import ExitCode

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config

    from aemm.export import Exported

EXAMPLES = (
    "configs/pose/hourglass4_coco_512.py checkpoint.pth --format onnx --out hourglass.onnx --no-flip",
    "configs/pose/hrnet_w32_coco_512.py checkpoint.pth --format openvino --precision fp16 --images photos",
)
ENDINGS = {"onnx": ".onnx", "torch-export": ".pt2", "torchscript": ".pt", "openvino": ".xml", "web": ".html"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is exported, in which form, and what it is checked on."""
    add_config(parser)
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--format", choices=list(ENDINGS), default="onnx", help="of the file; default onnx")
    parser.add_argument("--out", help="the file; by default beside the checkpoint, under its name")
    parser.add_argument("--precision", choices=["fp32", "fp16", "int8"], default="fp32", help="of the network")
    parser.add_argument(
        "--contract",
        choices=["aemm", "openvino"],
        default="aemm",
        help="names and order of the outputs: aemm's, or those of Open Model Zoo's human-pose-estimation-0005 to -0007",
    )
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="look at the mirror image within the graph, too; by default as the config says",
    )
    parser.add_argument(
        "--no-maps",
        action="store_true",
        help="peaks are the only outputs: absent keypoints are not filled, and keypoints lie in the middle of cells",
    )
    parser.add_argument(
        "--images", nargs="+", metavar="INPUT", help="images or folders to check on; by default those of the test data"
    )
    parser.add_argument(
        "--calibration-count", type=count, default=32, help="images by which int8 finds its ranges; default 32"
    )
    parser.add_argument(
        "--test-count", type=count, default=200, help="images of the test data on which int8 is measured; default 200"
    )
    parser.add_argument("--image-count", type=count, default=4, help="how many of them; default 4")


def main(args: argparse.Namespace) -> ExitCode:
    """Export."""
    from pathlib import Path

    from aemm.apis import Inferencer
    from aemm.engine import load_config, require
    from aemm.engine.outputs import check_file
    from aemm.export import (
        FORMATS,
        ExportError,
        ExportOptions,
        at_one_scale,
        check_parity,
        choose_flip,
        export_model,
        for_open_model_zoo,
    )

    try:
        options = ExportOptions(args.format, args.precision, args.contract, not args.no_maps)
    except ExportError as error:
        args.parser.error(str(error))
    if args.contract == "openvino" and args.flip:
        args.parser.error("--contract openvino looks at an image once, as its readers expect; leave --flip out")
    target = Path(args.out or Path(args.checkpoint).with_suffix(ENDINGS[args.format]))
    if target.suffix != ENDINGS[args.format]:
        args.parser.error(f"--out must end in {ENDINGS[args.format]} for --format {args.format}, got {target}")
    check_file(target, "--out", args.checkpoint, args.config)
    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "test_dataloader"), "be exported")
    at_one_scale(cfg)
    choose_flip(cfg, args.flip)
    if args.contract == "openvino":
        for_open_model_zoo(cfg)
    images = _images(cfg, args.images, args.image_count)
    inferencer = Inferencer(cfg, args.checkpoint, "cpu", thinning=None)
    exported = export_model(cfg, inferencer.model, target, options)
    print(f"written: {target}, {exported.description.exporter}, {exported.folded} batch norms folded")
    parity = check_parity(exported, inferencer, images)
    print(parity.describe())
    if args.precision == "int8":
        _quantize(cfg, exported, _images(cfg, args.images, args.calibration_count), args.test_count)
    if not parity.same and args.precision != "fp16" and FORMATS[args.format].exact:
        print("the exported file does not find what the model finds; do not use it")
        return ExitCode.FAULT
    return ExitCode.DONE


def _quantize(cfg: Config, exported: Exported, images: list[np.ndarray], most: int) -> None:
    """Quantise a file, and print the figures of the test before and after."""
    from aemm.export.quantize import measure

    try:
        before = measure(cfg, exported.predictor(), most)
    except (OSError, ValueError) as error:
        print(f"not measured, since the test data cannot be read: {str(error).splitlines()[0]}")
        before = {}
    quantized = exported.quantize(images)
    print(f"int8: {quantized.quantized} convolutions, ranges from {len(images)} images")
    after = measure(cfg, quantized.predictor(), most) if before else {}
    for name in before:
        print(f"{name}: {before[name]:.4f} before, {after[name]:.4f} after")


def _images(cfg: Config, inputs: list[str] | None, most: int) -> list[np.ndarray]:
    """Images to check on: those named, or the first of the test data, or drawn ones where there are none."""
    from aemm.apis import read_inputs
    from aemm.export import drawn_images
    from aemm.registry import DATASETS

    if inputs:
        return [image for _, image in zip(range(most), (image for _, image in read_inputs(inputs)), strict=False)]
    data: dict[str, Any] = {**cfg.test_dataloader.dataset, "pipeline": []}
    try:
        found = DATASETS.build(data)
        return [found[i].image for i in range(min(most, len(found)))]
    except (OSError, ValueError) as error:
        print(f"checked on drawn images, since the test data cannot be read: {str(error).splitlines()[0]}")
        return drawn_images(most, 256)
