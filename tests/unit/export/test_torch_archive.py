"""Files of torch.save are read without torch, and a file that is made to harm does nothing."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.torch_archive import read_torch, tensors_of
from export.weights import InvalidWeights
from tests.unit.export.torch_files import save_torch, write_archive

SAVED = Path(__file__).parents[2] / "data" / "export" / "saved-by-torch.pt"  # by torch 2.13
TABLE = np.arange(24, dtype=np.float32).reshape(4, 6)
# Opcodes of pickle.
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
HUNDRED = b"(" + b"K\x01" * 100 + b"t"


def test_what_torch_saved_is_read_as_it_was() -> None:
    saved = read_torch(SAVED)

    assert saved["dims"] == {"n_mels": 80, "ratio": 0.5, "name": "tiny"}
    assert saved["list"] == [1, None, True, (1, 2, 3, 4)]
    np.testing.assert_array_equal(saved["turned"].read(), TABLE.T)
    np.testing.assert_array_equal(saved["part"].read(), TABLE[1:3, 2:5])
    np.testing.assert_array_equal(saved["parameter"].read(), TABLE[0])
    for name, dtype in (("half", np.float16), ("brain", np.float32), ("double", np.float64)):
        assert saved[name].read().dtype == dtype
        np.testing.assert_array_equal(saved[name].read(), TABLE)
    state = tensors_of(saved["model_state_dict"])
    np.testing.assert_array_equal(state["linear.weight"].read(), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(state["linear.bias"].read(), [-1, 0.5])
    assert state["norm.num_batches_tracked"].read() == 0


def test_torch_is_not_loaded() -> None:
    code = "import sys; from pathlib import Path; from export.torch_archive import read_torch;"
    code += f"read_torch(Path({str(SAVED)!r})); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=SAVED.parents[3], check=False).returncode == 0


class Harm:
    """Unpickled by pickle, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(protocol: int, tmp_path: Path) -> None:
    write_archive(tmp_path / "harm.pt", pickle.dumps({"weight": Harm(tmp_path / "harm")}, protocol))

    with pytest.raises(InvalidWeights, match="holds more than tensors"):
        read_torch(tmp_path / "harm.pt")

    assert not (tmp_path / "harm").exists()


def doubled(times: int) -> bytes:
    """A tuple that holds the one before twice, and so on: who walks through it never comes to its end."""
    return b")q\x00" + b"".join(b"h%c\x86q%c" % (level, level + 1) for level in range(times))


HOSTILE = {
    "another function": (b"cos\nsystem\nX\x04\x00\x00\x00trueq\x00\x85R.", r"os\.system"),
    "a function named by texts": (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "STACK_GLOBAL"),
    "a text that is called": (b"X\x1f\x00\x00\x00torch._utils _rebuild_tensor_v2)R.", "a call of something else"),
    "a dictionary from a list": (b"ccollections\nOrderedDict\n(l\x85R.", "LIST"),
    "attributes of a number": (b"K\x01}b.", "a int stands where a dict is filled"),
    "an object": (b"ctorch\nFloatStorage\n)\x81.", "NEWOBJ"),
    "an object of an extension": (b"\x82\x01.", "EXT1"),
    "a buffer": (b"\x97.", "NEXT_BUFFER"),
    "an item of nothing": (b"K\x01K\x02s.", "torch.save"),
    "a mark that is missing": (b"t.", "torch.save"),
    "something that was not remembered": (b"h\x05.", "torch.save"),
    "nothing": (b".", "torch.save"),
    "a cut": (b"X\xff\x00\x00\x00abc", "torch.save"),
    "no end": (b"K\x01", "torch.save"),
    "a memory of the far end": (b"K\x01r\xff\xff\xff\x7f.", None),  # costs pickle 16 GiB, and nothing here
    "a key without end": (b"}" + doubled(60) + b"K\x01s.", "other keys"),
    "a storage without end": (STORAGE[:33] + doubled(60) + b"K\x00K\x06tQ.", "storage"),
    "another reference": (b"(X\x04\x00\x00\x00filectorch\nFloatStorage\nX\x01\x00\x00\x000K\x00K\x06tQ.", "storage"),
    "a storage of texts": (b"(X\x07\x00\x00\x00storageK\x01X\x01\x00\x00\x000K\x00K\x06tQ.", "storage"),
    "a tensor of nothing": (TENSOR + b"(K\x01K\x00K\x02\x85K\x01\x85tR.", "without a storage"),
    "a tensor beside its storage": (TENSOR + b"(" + STORAGE + b"K\x05K\x02\x85K\x01\x85tR.", "does not lie in"),
    "a tensor before it": (TENSOR + b"(" + STORAGE + b"J\xff\xff\xff\xffK\x02\x85K\x01\x85tR.", "does not lie in"),
    "a tensor backwards": (TENSOR + b"(" + STORAGE + b"K\x05K\x02\x85J\xff\xff\xff\xff\x85tR.", "does not lie in"),
    "a number a thousand times": (TENSOR + b"(" + STORAGE + b"K\x00M\xe8\x03\x85K\x00\x85tR.", "does not lie in"),
    "a shape without strides": (TENSOR + b"(" + STORAGE + b"K\x00K\x02\x85)tR.", "without a storage"),
    "a tensor of a hundred axes": (TENSOR + b"(" + STORAGE + b"K\x00" + 2 * HUNDRED + b"tR.", "no tensor has"),
}  # fmt: skip


@pytest.mark.parametrize(("description", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_description_is_refused(description: bytes, message: str | None, tmp_path: Path) -> None:
    write_archive(tmp_path / "hostile.pt", b"\x80\x02" + description, {"data/0": bytes(24)})

    if message is None:
        assert read_torch(tmp_path / "hostile.pt") == 1
        return
    with pytest.raises(InvalidWeights, match=message):
        read_torch(tmp_path / "hostile.pt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of escapes in texts
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=4))
def test_a_changed_description_is_read_or_refused_and_nothing_else(
    tmp_path_factory: Any, at: int, other: bytes
) -> None:
    path = tmp_path_factory.mktemp("changed") / "changed.pt"
    with zipfile.ZipFile(SAVED) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    description = bytearray(members.pop("data.pkl"))
    at %= len(description)
    description[at : at + len(other)] = other
    del members["byteorder"]
    write_archive(path, bytes(description), members)

    with suppress(InvalidWeights):
        read_torch(path)


def test_a_storage_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    tensor = b"\x80\x02" + TENSOR + b"(" + STORAGE + b"K\x00K\x02\x85K\x01\x85tR."
    for name, members in (("none", {}), ("short", {"data/0": bytes(20)}), ("long", {"data/0": bytes(28)})):
        write_archive(tmp_path / f"{name}.pt", tensor, members)
        with pytest.raises(InvalidWeights, match="is not a storage of 24 bytes"):
            read_torch(tmp_path / f"{name}.pt")


def test_a_compressed_file_is_refused_before_it_grows(tmp_path: Path) -> None:
    write_archive(tmp_path / "bomb.pt", b"\x80\x02" + b"K\x010" * 1_000_000 + b".", compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(InvalidWeights, match="is compressed"):
        read_torch(tmp_path / "bomb.pt")


def test_numbers_that_were_damaged_are_refused_when_they_are_read(tmp_path: Path) -> None:
    save_torch({"weight": TABLE}, tmp_path / "whole.pt")
    data = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "damaged.pt").write_bytes(data.replace(TABLE.tobytes(), TABLE[::-1].tobytes()))

    np.testing.assert_array_equal(read_torch(tmp_path / "whole.pt")["weight"].read(), TABLE)
    with pytest.raises(InvalidWeights, match="cannot be read"):
        read_torch(tmp_path / "damaged.pt")["weight"].read()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_a_file_that_is_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    whole = SAVED.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(InvalidWeights, match=r"torch\.save \(1\.6 or later\)"):
        read_torch(tmp_path / "cut.pt")


def test_a_zip_of_something_else_and_one_of_another_byte_order_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme", "hello")
    with zipfile.ZipFile(tmp_path / "big.pt", "w") as archive:
        archive.writestr("saved/data.pkl", b"\x80\x02K\x01.")
        archive.writestr("saved/byteorder", "big")

    with pytest.raises(InvalidWeights, match="torch"):
        read_torch(tmp_path / "other.pt")
    with pytest.raises(InvalidWeights, match="little-endian"):
        read_torch(tmp_path / "big.pt")
