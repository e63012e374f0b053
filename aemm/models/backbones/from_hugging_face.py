"""Any backbone of the library transformers, read at any of its stages."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from aemm.formats.checkpoint import CheckpointError
from aemm.libraries import TORCHVISION, library, torchvision_fault
from aemm.models.backbones.borrowed import SIDE, BorrowedBackbone, ascending
from aemm.registry import MODELS

_ADDED = "hidden_states_norms."  # norms of the stages, which a backbone has and a published classifier has not
_OF_FILES = ("architectures", "dtype", "torch_dtype", "transformers_version")  # what saving adds to a config.json


@MODELS.register_module()
class HuggingFaceBackbone(BorrowedBackbone):
    """A backbone of transformers, from Hugging Face's hub or from a folder (extra ``transformers``).

    Weights are read from ``.safetensors`` files alone, and no code of the hub is run.

    Args:
        name: on the hub, such as ``'facebook/convnextv2-tiny-22k-224'``, or a folder that holds the same files.
        architecture: what its ``config.json`` says, at least ``model_type`` and what differs from the library's
            defaults. With it the network is built without asking the hub, so that a trained model can be used where
            there is no network.
        stages: which of its feature maps are read, in ascending order, negative from the last; stage 0 is the stem.
        pretrained: start training from the weights of ``name``, which are fetched then.
        with_cp: recompute the network in the backward pass to save memory.
        init_cfg: mmengine's initialisation config, in place of ``pretrained``.

    Attributes:
        channels: of each stage.
        strides: of each stage.
        multiple_of: the least common multiple of the strides.

    Raises:
        CheckpointError: the facts about ``name`` cannot be had.
        ImportError: transformers is not installed.
        ValueError: there is neither a name nor an architecture, or no such architecture or stage.

    Reference: https://huggingface.co/docs/transformers, AutoBackbone.
    """

    def __init__(
        self,
        name: str | None = None,
        architecture: Mapping[str, Any] | None = None,
        stages: Sequence[int] = (-1,),
        pretrained: bool = False,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if name is None and (pretrained or architecture is None):
            raise ValueError("HuggingFaceBackbone needs name, of a model on the hub or a folder, or architecture")
        title = f"Hugging Face's {name or (architecture or {}).get('model_type')}"
        super().__init__(title, pretrained, with_cp, init_cfg)
        self.name = name
        self.facts = self._from_hub() if architecture is None else _facts(_plain(architecture))
        if getattr(self.facts, "stage_names", None) is None:
            raise ValueError(f"{self.title} is no backbone: transformers reads no stages of a {self.facts.model_type}")
        self.facts.out_indices = list(ascending(stages, len(self.facts.stage_names), self.title))
        side = getattr(self.facts, "image_size", None) or SIDE
        self.settle((side, side) if isinstance(side, int) else (side[0], side[1]))

    def _from_hub(self) -> Any:
        try:
            return _transformers().AutoConfig.from_pretrained(self.name)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"what {self.title} is made of cannot be had ({str(error).splitlines()[0]}); {self.remedy()}, or write "
                "its config.json into architecture"
            ) from error

    def build(self, pretrained: bool) -> nn.Module:
        """The network.

        Raises:
            CheckpointError: weights lack some entries.
        """
        if not pretrained:
            net: nn.Module = _transformers().AutoBackbone.from_config(self.facts)
            return net
        kind: Any = type(self.net)  # AutoBackbone asks the hub even for a folder, and for what was fetched before
        net, report = kind.from_pretrained(self.name, config=self.facts, use_safetensors=True, output_loading_info=True)
        absent = sorted(key for key in report["missing_keys"] if not key.startswith(_ADDED))
        if absent:
            raise CheckpointError(
                f"the pretrained weights of {self.title} lack {len(absent)} entries of the network ({absent[0]}, ...); "
                "does architecture say what its config.json says?"
            )
        return net

    def read(self, output: Any) -> Sequence[Tensor]:
        """The stages."""
        feats: Sequence[Tensor] = output.feature_maps
        return feats

    def remedy(self) -> str:
        """Where else weights may come from."""
        return "check the name, or fetch its files by other means and set name to their folder"


def _transformers() -> Any:
    if fault := torchvision_fault():
        raise ImportError(
            "HuggingFaceBackbone needs transformers, which uses torchvision where it is installed, but that does not "
            f"start ({fault}). {TORCHVISION}; or pip uninstall torchvision"
        )
    return library("transformers", "HuggingFaceBackbone")


def _plain(node: Any) -> Any:
    """Dicts and lists, as a ``config.json`` holds them, in place of a config's own kinds."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list | tuple) else node


def _facts(architecture: dict[str, Any]) -> Any:
    """The library's record of an architecture.

    Raises:
        ValueError: it has no backbone of that type.
    """
    transformers = _transformers()
    kind = architecture.pop("model_type", None)
    listed = library("transformers.models.auto.modeling_auto", "HuggingFaceBackbone")
    known = listed.MODEL_FOR_BACKBONE_MAPPING_NAMES
    if kind not in known:
        near = difflib.get_close_matches(str(kind), known, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {', '.join(sorted(known))}."
        raise ValueError(f"transformers has no backbone of model_type {kind!r}; {hint}")
    usual = transformers.AutoConfig.for_model(kind)
    for key in architecture:  # the library would keep what it does not know, and go on
        if not hasattr(usual, key) and key not in _OF_FILES and not key.startswith("_"):
            near = difflib.get_close_matches(key, usual.to_dict(), n=2)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"architecture of a {kind} has no {key!r}{hint}")
    return transformers.AutoConfig.for_model(kind, **architecture)
