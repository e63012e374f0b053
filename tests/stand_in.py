"""A device for machines without one: tensors that say they are there, compute on the CPU, and count what they cost.

PyTorch keeps a place for a backend from outside; here it is filled in Python, under the name ``stand_in``. A tensor
there shares its memory with a tensor of the CPU, so that views and operations in place behave as on any device. As on
a GPU, an operation refuses tensors of the CPU beside those of the device, matrix products of integers are not to be
had, and results whose shape depends on values, numbers read back and copies that are not pinned make the CPU wait.
"""

from __future__ import annotations

import ctypes
import traceback
import weakref
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "stand_in"
_PACKAGE = str(Path(__file__).resolve().parents[1] / "aemm")
_CPU, _OUTSIDE = 1, 12  # kinds of devices in DLPack: the CPU, and a backend from outside
_KERNELS = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)

# the shape of the result depends on values, which the CPU has to know before it goes on
_WAITING = {
    "_local_scalar_dense", "_unique2", "bincount", "equal", "masked_select", "nonzero", "repeat_interleave",
    "unique_consecutive", "unique_dim",
}  # fmt: skip
_PRODUCTS = {"addbmm", "addmm", "addmv", "baddbmm", "bmm", "dot", "mm", "mv"}
_FREE = {"empty", "empty_strided", "as_strided", "view", "_reshape_alias", "unfold", "detach", "alias"}


@dataclass
class Cost:
    """What was done on the device.

    Attributes:
        launches: operations that a GPU would be given.
        waits: how often the CPU waited, by place in the package and operation.
    """

    launches: int = 0
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def waited(self) -> int:
        """How often the CPU waited."""
        return sum(self.waits.values())


_costs: list[Cost] = []
_pinned: weakref.WeakValueDictionary[int, torch.UntypedStorage] = weakref.WeakValueDictionary()


@contextmanager
def counted() -> Iterator[Cost]:
    """Count launches and waits within the block."""
    cost = Cost()
    _costs.append(cost)
    try:
        yield cost
    finally:
        _costs.remove(cost)


def _wait(name: str) -> None:
    if not _costs:
        return
    inside = [f for f in traceback.extract_stack() if f.filename.startswith(_PACKAGE)]
    frame = inside[-1] if inside else None
    place = f"{Path(frame.filename).relative_to(_PACKAGE)} {frame.name}" if frame else "elsewhere"
    for cost in _costs:
        cost.waits[f"{place}: {name}"] += 1


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _recast(tensor: Tensor, kind: int) -> Tensor:
    """The same memory as a tensor of another device."""
    capsule = torch._C._to_dlpack(tensor)
    address = _pointer(capsule, b"dltensor")  # of a pointer, the kind of the device, its number
    ctypes.c_int32.from_address(address + 8).value = kind
    ctypes.c_int32.from_address(address + 12).value = 0
    return torch._C._from_dlpack(capsule)


def _on_device(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type == NAME


def _lower(value: Any, fresh: Collection[int] = ()) -> Any:
    """A value of the device as one of the CPU; of those that are ``fresh`` only the type matters."""
    if id(value) in fresh:
        return torch.empty(0, dtype=value.dtype)
    if isinstance(value, torch.device) and value.type == NAME:
        return torch.device("cpu")
    return _recast(value, _CPU) if _on_device(value) else value


def _lift(value: Any) -> Any:
    return _recast(value, _OUTSIDE) if isinstance(value, Tensor) else value


def _check(name: str, tensors: list[Tensor]) -> None:
    """Refuse what a GPU refuses."""
    strangers = [t for t in tensors if t.device.type != NAME and (t.ndim or name.startswith("index"))]
    if strangers:
        shape = tuple(strangers[0].shape)
        raise RuntimeError(f"{name}: expected all tensors on {NAME}, but one of {shape} is on {strangers[0].device}")
    if name in _PRODUCTS and not tensors[0].is_floating_point():
        raise RuntimeError(f'"{name}" not implemented for {tensors[0].dtype} on {NAME}')


def _run(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Any operation, on the CPU."""
    name = op._schema.name.removeprefix("aten::")
    plain = name.removesuffix("_")
    tensors = [value for value in tree_iter((args, kwargs)) if isinstance(value, Tensor)]
    _check(plain, tensors)
    if plain not in _FREE:
        for cost in _costs:
            cost.launches += 1
    if plain in _WAITING:
        _wait(name)
    bound = list(_bound(op, args, kwargs))
    written = [value for value, argument in bound if _is_written(argument)]
    # outputs that the operation gives their shape
    resized = {id(value) for value, argument in bound if argument.is_out and not value.numel()}
    lower = partial(_lower, fresh=resized)
    numbers = [torch.tensor(v) if _is_number(v, a) else v for v, a in zip(args, op._schema.arguments, strict=False)]
    result = op(*tree_map(lower, numbers), **tree_map(lower, kwargs))
    if not written:
        return tree_map(_lift, result)
    single = isinstance(result, Tensor)
    for before, after in zip(written, [result] if single else result or (), strict=False):
        if id(before) in resized and after.numel():
            before.data = _lift(after)
    if result is None:
        return None
    return written[0] if single else tuple(written)


def _is_number(value: Any, argument: Any) -> bool:
    return isinstance(value, int | float) and str(argument.type) == "Tensor"


def _bound(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Values and what the operation's schema says of each."""
    arguments = op._schema.arguments
    for value, argument in [*zip(args, arguments, strict=False), *((kwargs.get(a.name), a) for a in arguments)]:
        values = value if isinstance(value, list | tuple) else [value]
        yield from ((v, argument) for v in values if isinstance(v, Tensor))


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _copy(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Between devices, or within one."""
    if not _on_device(target):
        _wait("to the CPU")
    elif not _on_device(source) and not (non_blocking and is_pinned(source)):
        _wait("from the CPU")
    for cost in _costs:
        cost.launches += 1
    _lower(target).copy_(_lower(source))
    return target


def is_pinned(tensor: Tensor) -> bool:
    """Whether a tensor of the CPU lies in memory that the device can read by itself."""
    return tensor.untyped_storage().data_ptr() in _pinned


def pin_memory(tensor: Tensor) -> Tensor:
    """A copy that lies there; stands for ``Tensor.pin_memory``."""
    copy = tensor.clone()
    storage = copy.untyped_storage()
    _pinned[storage.data_ptr()] = storage
    copy._keeps = storage  # as long as the tensor lives, or one that shares it
    return copy


def _convolve(*args: Any) -> Tensor:
    return _lift(torch.convolution(*(_lower(value) for value in args)))


def _convolve_back(grad: Tensor, x: Tensor, weight: Tensor, *args: Any) -> tuple[Any, ...]:
    *how, asked = args
    transposed, groups = how[3], how[5]
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    grads = torch.ops.aten.convolution_backward(_lower(grad), _lower(x), _lower(weight), [outputs], *how, asked)
    return tuple(_lift(value) for value in grads)


class _Module(SimpleNamespace):
    """What PyTorch asks the module ``torch.stand_in``."""

    def __init__(self) -> None:
        super().__init__(
            is_available=lambda: True,
            is_initialized=lambda: True,
            device_count=lambda: 1,
            current_device=lambda: 0,
            manual_seed_all=lambda seed: None,
            _is_in_bad_fork=lambda: False,
            get_amp_supported_dtype=lambda: [torch.float16, torch.bfloat16],
            get_rng_state=lambda device=None: torch.get_rng_state(),
            set_rng_state=lambda state, device=None: torch.set_rng_state(state),
        )

    @staticmethod
    @contextmanager
    def device(index: Any) -> Iterator[None]:
        """Of several the one that is meant."""
        yield


def install() -> torch.device:
    """Make the device known to PyTorch, once in a process."""
    if not _libraries:
        _setup_privateuseone_for_python_backend(NAME, _Module())
        rest = torch.library.Library("_", "IMPL")
        rest.fallback(_run, "PrivateUse1")
        aten = torch.library.Library("aten", "IMPL")
        for name in ("as_strided", "view", "_reshape_alias", "unfold"):  # their kernels look at shapes alone
            aten.impl(name, _metadata_kernel(getattr(torch.ops.aten, name).default), "PrivateUse1")
        aten.impl("_copy_from", _copy, "PrivateUse1")
        aten.impl("convolution_overrideable", _convolve, "PrivateUse1")
        aten.impl("convolution_backward_overrideable", _convolve_back, "PrivateUse1")
        _libraries.extend([rest, aten])
    return torch.device(NAME)


def _metadata_kernel(op: Any) -> Any:
    return lambda *args, **kwargs: op.redispatch(_KERNELS, *args, **kwargs)


_libraries: list[torch.library.Library] = []
