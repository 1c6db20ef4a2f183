"""Tensors in a file that torch.save wrote, read without torch and without running anything that the file says.

The file is a zip: data.pkl describes objects in pickle's language, data/<key> holds the numbers. Of that language
only what describes dictionaries, lists and tensors is understood. Names of functions and classes are compared with
the few that torch.save writes, never looked up, and everything else is refused.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.weights import Array, InvalidWeights, from_bfloat16

MOST_AXES = 8
LONGEST_DESCRIPTION = 16 << 20  # bytes of data.pkl: large-v3's has 0.3 MB

REBUILD = "torch._utils _rebuild_tensor_v2"
REBUILD_PARAMETER = "torch._utils _rebuild_parameter"
ORDERED = "collections OrderedDict"
STORAGES: dict[str, np.dtype[Any]] = {
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": np.dtype("<u2"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
}
KNOWN = {REBUILD, REBUILD_PARAMETER, ORDERED, *STORAGES}

PUSHED = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MALFORMED = (ArithmeticError, EOFError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers of one kind behind each other, which tensors are views of."""

    kind: str  # one of STORAGES
    key: str  # name of its member
    length: int  # numbers


@dataclass(frozen=True, slots=True)
class ArchivedTensor:
    archive: zipfile.ZipFile
    member: str
    storage: Storage
    offset: int  # of the first number in its storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # numbers

    def read(self) -> Array:
        """Of the type that was saved, bfloat16 as float32. raises: InvalidWeights"""
        dtype = STORAGES[self.storage.kind]
        try:
            data = np.frombuffer(self.archive.read(self.member), dtype)
        except (zipfile.BadZipFile, *MALFORMED) as error:
            raise InvalidWeights(f"{self.archive.filename}: {self.member} cannot be read: {error}") from error
        steps = [step * dtype.itemsize for step in self.strides]
        view: Array = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, steps, writeable=False)
        return from_bfloat16(view) if self.storage.kind == "torch BFloat16Storage" else view


def read_torch(path: Path) -> Any:
    """What was saved: dictionaries, lists, tuples, numbers and texts, and an ArchivedTensor for each tensor.

    raises: InvalidWeights
    """
    try:
        archive = zipfile.ZipFile(path)
        return _Description(archive).read()
    except InvalidWeights as error:
        raise InvalidWeights(f"{path.name}: {error}") from None
    except (zipfile.BadZipFile, *MALFORMED) as error:
        raise InvalidWeights(f"{path.name} is not a file that torch.save (1.6 or later) wrote: {error}") from error


class _Description:
    """data.pkl, carried out on a stack."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {info.filename: info for info in archive.infolist()}
        (description,) = (name for name in self._members if name.endswith("/data.pkl"))
        self._root = description.removesuffix("data.pkl")
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        order = f"{self._root}byteorder"
        if order in self._members and self._archive.read(order).strip() != b"little":
            raise InvalidWeights("its numbers are not little-endian")
        text = self._read_description()
        for opcode, argument, _ in pickletools.genops(text):
            self._execute(opcode.name, argument)
        (saved,) = self._stack
        return saved

    def _read_description(self) -> bytes:
        info = self._members[f"{self._root}data.pkl"]
        if info.file_size > LONGEST_DESCRIPTION or info.compress_type != zipfile.ZIP_STORED:
            raise InvalidWeights(f"data.pkl has {info.file_size} bytes or is compressed; torch.save writes it plainly")
        return self._archive.read(info)

    def _execute(self, name: str, argument: Any) -> None:
        if name in PUSHED:
            self._stack.append(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name])
        elif name in TUPLES:
            self._stack[-TUPLES[name] :] = [tuple(self._stack[-TUPLES[name] :])]
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "STOP"):
            raise InvalidWeights(f"it holds more than tensors: pickle's {name}")

    def _push_dict(self, _: None) -> None:
        self._stack.append({})

    def _push_list(self, _: None) -> None:
        self._stack.append([])

    def _mark(self, _: None) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _push_tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _append(self, _: None) -> None:
        item = self._stack.pop()
        self._top(list).append(item)

    def _appends(self, _: None) -> None:
        items = self._since_mark()
        self._top(list).extend(items)

    def _set_item(self, _: None) -> None:
        items = [self._stack.pop(-2), self._stack.pop()]
        self._fill(items)

    def _set_items(self, _: None) -> None:
        self._fill(self._since_mark())

    def _fill(self, items: Sequence[Any]) -> None:
        """Keys and values by turns. Only plain keys: the hash of tuples in tuples may take for ever."""
        if not all(isinstance(key, str | int) for key in items[::2]):
            raise InvalidWeights("a dictionary with other keys than texts and numbers")
        self._top(dict).update(zip(items[::2], items[1::2], strict=True))

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise InvalidWeights(f"a {type(self._stack[-1]).__name__} stands where a {kind.__name__} is filled")
        return self._stack[-1]

    def _memoize(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _name(self, name: str) -> None:
        if name not in KNOWN:
            raise InvalidWeights(f"it holds more than tensors: {name.replace(' ', '.')}")
        self._stack.append(_Name(name))

    def _storage(self, _: None) -> None:
        kind, storage, key, _location, length = self._stack.pop()
        if kind != "storage" or not isinstance(storage, _Name) or storage.text not in STORAGES or type(key) is not str:
            raise InvalidWeights("a reference to something else than a storage")
        self._stack.append(Storage(storage.text, key, int(length)))

    def _call(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if function == _Name(REBUILD):
            storage, offset, shape, strides, *_ = arguments
            self._stack.append(self._tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides))))
        elif function == _Name(REBUILD_PARAMETER) and isinstance(arguments[0], ArchivedTensor):
            self._stack.append(arguments[0])
        elif function == _Name(ORDERED) and arguments == ():
            self._stack.append({})
        else:
            raise InvalidWeights("a call of something else than a tensor or a dictionary")

    def _ignore_state(self, _: None) -> None:
        """Attributes of a dictionary: torch notes the versions of modules there."""
        self._stack.pop()
        self._top(dict)

    def _tensor(self, storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> ArchivedTensor:
        """raises: InvalidWeights unless the tensor lies in its storage, and the storage in the file"""
        if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > MOST_AXES:
            raise InvalidWeights("a tensor without a storage, or of a shape that no tensor has")
        member = f"{self._root}data/{storage.key}"
        info = self._members.get(member)
        size = storage.length * STORAGES[storage.kind].itemsize
        if info is None or info.file_size != size or info.compress_type != zipfile.ZIP_STORED:
            raise InvalidWeights(f"{member} is not a storage of {size} bytes")
        last = offset + sum((count - 1) * step for count, step in zip(shape, strides, strict=True))
        if min(offset, *shape, *strides, 0) < 0 or math.prod(shape) > storage.length or last >= max(storage.length, 1):
            raise InvalidWeights(f"a tensor of shape {shape} does not lie in {member}")
        return ArchivedTensor(self._archive, member, storage, offset, shape, strides)


@dataclass(frozen=True, slots=True)
class _Name:
    """A function or class that is named; a type of its own, so that no text can be called."""

    text: str


_ACTIONS: Mapping[str, Callable[[_Description, Any], None]] = {
    "EMPTY_DICT": _Description._push_dict,
    "EMPTY_LIST": _Description._push_list,
    "MARK": _Description._mark,
    "TUPLE": _Description._push_tuple,
    "APPEND": _Description._append,
    "APPENDS": _Description._appends,
    "SETITEM": _Description._set_item,
    "SETITEMS": _Description._set_items,
    "BINPUT": _Description._memoize,
    "LONG_BINPUT": _Description._memoize,
    "BINGET": _Description._recall,
    "LONG_BINGET": _Description._recall,
    "GLOBAL": _Description._name,
    "BINPERSID": _Description._storage,
    "REDUCE": _Description._call,
    "BUILD": _Description._ignore_state,
}


def tensors_of(saved: Any) -> dict[str, ArchivedTensor]:
    """The tensors of a saved state dictionary, by name. raises: InvalidWeights if it is none"""
    if not isinstance(saved, dict):
        raise InvalidWeights("no dictionary of tensors was saved")
    return {name: tensor for name, tensor in saved.items() if isinstance(tensor, ArchivedTensor)}
