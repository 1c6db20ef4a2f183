"""Files as torch.save writes them, written without torch."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage", "uint16": "BFloat16Storage"}


def save_torch(saved: Any, path: Path) -> None:
    """saved: dictionaries of arrays; uint16 stands for bfloat16"""
    description = io.BytesIO()
    with _torch_names():
        pickler = _Pickler(description, protocol=2)
        pickler.dump(saved)
    storages = {f"data/{key}": array.tobytes() for key, array in enumerate(pickler.arrays)}
    write_archive(path, description.getvalue(), storages)


def write_archive(
    path: Path, description: bytes, members: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("saved/data.pkl", description)
        archive.writestr("saved/byteorder", "little")
        for name, data in (members or {}).items():
            archive.writestr(f"saved/{name}", data)


class _Storage:
    def __init__(self, key: int, array: np.ndarray[Any, Any]) -> None:
        self.key = key
        self.array = array


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.arrays: list[np.ndarray[Any, Any]] = []

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Storage):
            return None
        kind = getattr(sys.modules["torch"], KINDS[obj.array.dtype.name])
        return ("storage", kind, str(obj.key), "cpu", obj.array.size)

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, np.ndarray):
            return NotImplemented
        whole = np.ascontiguousarray(obj)
        self.arrays.append(whole)
        strides = tuple(step // whole.itemsize for step in whole.strides)
        storage = _Storage(len(self.arrays) - 1, whole)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (storage, 0, whole.shape, strides, False, OrderedDict())


@contextmanager
def _torch_names() -> Iterator[None]:
    """Modules with the names that are written; pickle looks them up."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for kind in KINDS.values():
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))
    rebuild = type("_rebuild_tensor_v2", (), {"__module__": "torch._utils"})
    utils.__dict__["_rebuild_tensor_v2"] = rebuild
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
