"""Any network of the library timm, read at any of its stages."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from aemm.formats.checkpoint import CheckpointError, read_checkpoint, weights_of
from aemm.libraries import library
from aemm.models.backbones.borrowed import SIDE, BorrowedBackbone, ascending
from aemm.registry import MODELS

_ANY_SIZE = "dynamic_img_size"  # how timm calls it


@MODELS.register_module()
class TimmBackbone(BorrowedBackbone):
    """A network of timm, about a thousand of which there are, without its classifier (extra ``timm``).

    Transformers that can take images of any size do. What ``Preprocessor`` must be told, mean and deviation of the
    pixels that the weights were trained with, is said in the log when they are loaded.

    Args:
        name: of the network, with the tag of its weights where there are several, such as
            ``'vit_small_patch16_224.augreg_in21k'``.
        stages: which of its feature maps are read, in ascending order, negative from the last; of a plain
            transformer the stages are its blocks.
        pretrained: True to start training from timm's weights, which are fetched then; the path of a file, ``.pth``
            or ``.safetensors`` with timm's names, to start from these; False for random ones.
        settings: further arguments of ``timm.create_model``, such as ``dict(img_size=512)``.
        with_cp: recompute the network in the backward pass to save memory.
        init_cfg: mmengine's initialisation config, in place of ``pretrained``.

    Attributes:
        channels: of each stage.
        strides: of each stage.
        multiple_of: the least common multiple of the strides of all stages.

    Raises:
        ImportError: timm is not installed, or does not start.
        ValueError: there is no such network or stage, or timm refuses a setting.

    Reference: https://github.com/huggingface/pytorch-image-models.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[int] = (-1,),
        pretrained: bool | str = False,
        settings: Mapping[str, Any] | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        self._check_name(name)
        super().__init__(f"timm's {name}", bool(pretrained), with_cp, init_cfg)
        self.name, self.file = name, pretrained if isinstance(pretrained, str) else None
        self.settings = dict(settings or {})
        with torch.device("meta"):
            whole = self._first()
        facts = whole.default_cfg
        self.channels_behind = str(getattr(whole, "output_fmt", "")).endswith("NHWC")
        self.stages = ascending(stages, len(whole.feature_info), self.title)
        side = self.settings.get("img_size") or (facts["input_size"][1:] if facts["fixed_input_size"] else SIDE)
        reductions = [level["reduction"] for level in whole.feature_info.info]
        self.settle((side, side) if isinstance(side, int) else (side[0], side[1]), math.lcm(*reductions))

    @staticmethod
    def _check_name(name: str) -> None:
        timm = library("timm", "TimmBackbone")
        if ":" not in name and not timm.is_model(name):  # a colon: of a hub or a folder
            near = difflib.get_close_matches(name, timm.list_models() + timm.list_pretrained(), n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "timm.list_models() lists them."
            raise ValueError(f"timm has no network {name!r}; {hint}")

    def _first(self) -> Any:
        """The network with its first stage, which every network has; settles whether it is told to take any size."""
        self.stages = (0,)
        if _ANY_SIZE not in self.settings:
            try:
                self.settings[_ANY_SIZE] = True
                return self._create()
            except TypeError:  # most networks need not be told, and do not know the word
                del self.settings[_ANY_SIZE]
        try:
            return self._create()
        except (TypeError, AssertionError, RuntimeError) as error:
            raise ValueError(f"{self.title} cannot be built with settings={self.settings}: {error}") from error

    def _create(self, **more: Any) -> Any:
        create = library("timm", "TimmBackbone").create_model
        return create(self.name, features_only=True, out_indices=self.stages, **self.settings, **more)

    def build(self, pretrained: bool) -> nn.Module:
        """The network up to the last stage that is read."""
        if not pretrained:
            return self._create()
        if self.file is None:
            net = self._create(pretrained=True)
        else:
            given = dict(state_dict=_weights_in(self.file), source="")
            net = self._create(pretrained=True, pretrained_cfg_overlay=given)
        mean, std = (tuple(round(255 * x, 3) for x in net.default_cfg[key]) for key in ("mean", "std"))
        print_log(f"{self.title}: weights loaded, trained with Preprocessor mean={mean}, std={std}", logger="current")
        return net

    def read(self, output: Any) -> Sequence[Tensor]:
        """The stages, channels first."""
        feats: Sequence[Tensor] = output
        return [feat.permute(0, 3, 1, 2) for feat in feats] if self.channels_behind else feats

    def remedy(self) -> str:
        """Where else weights may come from."""
        if self.file is not None:
            return "pretrained must be a file of this very network, with timm's names of its entries"
        return "fetch them by other means and set pretrained to the path of the file, or to False"


def _weights_in(path: str) -> dict[str, Tensor]:
    """The entries of a file of weights.

    Raises:
        CheckpointError: it cannot be read.
        FileNotFoundError: it is not there.
    """
    if not path.endswith(".safetensors"):
        return weights_of(read_checkpoint(path), path)
    try:
        found: dict[str, Tensor] = library("safetensors.torch", "a .safetensors file", "timm").load_file(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # bytes of a stranger
        raise CheckpointError(f"checkpoint {path} is damaged or no safetensors file ({error})") from error
    return found
