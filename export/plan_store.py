"""Exports that were made once and are taken by every machine with the same card: `--plans FOLDER|URL`.

An entry is the files of an export under a name that tells what they fit. Its manifest, with the sha256 of all others,
is stored last: an entry is there when its manifest is, so nothing has to be moved or locked, in a folder or elsewhere.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from export.download import sha256_of
from speech.whisper.manifest import MANIFEST_FILE, Compiled, InvalidManifest, Manifest, read_manifest


class InvalidPlans(RuntimeError):
    """The store holds something else than its name says, or cannot be used."""


class FileStore(Protocol):
    """Files by name, with slashes: a folder, or the bucket of an object store."""

    def fetch(self, name: str, path: Path) -> bool:
        """Writes the file to `path`; False if there is none."""

    def store(self, path: Path, name: str) -> None:
        """Whoever fetches meanwhile gets the whole file or none."""


class FolderStore:
    """A folder that machines share, or a volume that one of them fills."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, name: str, path: Path) -> bool:
        try:
            shutil.copyfile(self._folder / name, path)
        except FileNotFoundError:
            return False
        return True

    def store(self, path: Path, name: str) -> None:
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{place.name}.partial")
        shutil.copyfile(path, partial)
        partial.replace(place)


class ObjectStore:
    """A bucket, or a part of it: s3://, gs://, az:// and what else obstore knows. Where it is and who asks is read from
    the environment, under the names that the cloud's own tools have (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID …).
    """

    def __init__(self, url: str) -> None:
        """raises: InvalidPlans"""
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as error:
            raise InvalidPlans(f"plans in {url} need the package `obstore` (pip install .[plans]): {error}") from error
        self._obstore, self._errors = obstore, (BaseError, OSError)
        try:
            self._store = from_url(url)
        except (BaseError, ValueError) as error:
            raise InvalidPlans(f"{url}: {_first_line(error)}") from error

    def fetch(self, name: str, path: Path) -> bool:
        try:
            with path.open("wb") as file:
                for part in self._obstore.get(self._store, name).stream():
                    file.write(part)
        except FileNotFoundError:
            path.unlink()
            return False
        except self._errors as error:
            raise InvalidPlans(f"{name}: {_first_line(error)}") from error
        return True

    def store(self, path: Path, name: str) -> None:
        """Large files in several parts, which together become the file at the end."""
        try:
            self._obstore.put(self._store, name, path)
        except self._errors as error:
            raise OSError(f"{name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@dataclass(frozen=True, slots=True)
class PlanKey:
    """What an export fits."""

    model: str
    source: str  # sha256 of the weights
    recipe: str
    target: str
    precision: str  # of the encoder
    compiled: Compiled | None  # TensorRT's version, card and multiprocessors; none of graphs, which run everywhere

    @classmethod
    def of(cls, manifest: Manifest) -> PlanKey:
        recipe, precision = manifest.versions.get("recipe", ""), manifest.precision["encoder"]
        return cls(manifest.id, manifest.source.sha256, recipe, manifest.target, precision, manifest.tensorrt)

    @property
    def name(self) -> str:
        """Where it lies: large-v3/aff26ae408ab/recipe-4/tensorrt-float16/11.4.0.106/NVIDIA-H200-9.0-132"""
        parts = [self.model, self.source[:12], f"recipe-{self.recipe}", f"{self.target}-{self.precision}"]
        if self.compiled:
            card = re.sub(r"\W+", "-", self.compiled.card)
            fits = f"{card}-{self.compiled.compute_capability}-{self.compiled.multiprocessors}"
            parts += [self.compiled.version, fits]
        return "/".join(parts)


class PlanStore:
    def __init__(self, files: FileStore) -> None:
        self._files = files

    def fetch(self, key: PlanKey, folder: Path) -> bool:
        """Brings an entry into an empty folder; False if there is none.

        raises: InvalidPlans if it is not what its name says
        """
        if not self._files.fetch(f"{key.name}/{MANIFEST_FILE}", folder / MANIFEST_FILE):
            return False
        try:
            manifest = read_manifest(folder)
        except InvalidManifest as error:
            raise InvalidPlans(f"{key.name}: {error}") from error
        if PlanKey.of(manifest) != key:
            raise InvalidPlans(f"{key.name} holds {PlanKey.of(manifest).name}")
        for name, sha256 in manifest.files.items():
            if Path(name).name != name:
                raise InvalidPlans(f"{key.name} names {name!r}, which is not one of its files")
            if not self._files.fetch(f"{key.name}/{name}", folder / name) or sha256_of(folder / name) != sha256:
                raise InvalidPlans(f"{key.name}/{name} is missing or broken: remove {key.name} from the store")
        return True

    def publish(self, folder: Path) -> str:
        """Stores an export, if it is not there yet. Returns its name.

        raises: InvalidPlans for random weights, which nobody may serve
        """
        manifest = read_manifest(folder)
        if manifest.random:
            raise InvalidPlans("random weights are not stored: they are never served")
        name = PlanKey.of(manifest).name
        for each in (*manifest.files, MANIFEST_FILE):
            self._files.store(folder / each, f"{name}/{each}")
        return name


def open_plan_store(place: str) -> PlanStore:
    """A folder, such as a volume that is mounted everywhere, or an object store by its URL. raises: InvalidPlans"""
    return PlanStore(ObjectStore(place) if "://" in place else FolderStore(Path(place)))
