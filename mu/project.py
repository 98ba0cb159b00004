"""A project folder: `stack.yaml` and the binaries that it names by path."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from contract.errors import InvalidInput
from events.manifest import Manifest
from mu.manifest import functions_to_upload, parse_manifest, with_binaries

MANIFEST_FILE = "stack.yaml"


class Project(msgspec.Struct, frozen=True):
    """A manifest, and the binaries of those of its functions that name a file, by name of the Function service."""

    manifest: Manifest
    binaries: dict[str, bytes]

    def upload(self, put: Callable[[bytes], str]) -> Manifest:
        """Give each binary to `put`, and return the manifest with the content ids that it returns."""
        return with_binaries(self.manifest, {name: put(binary) for name, binary in self.binaries.items()})


def load_project(folder: Path) -> Project:
    """Read a project folder. Raises `InvalidInput`, for the manifest as `mu.manifest.ManifestError`."""
    path = folder / MANIFEST_FILE
    try:
        manifest = parse_manifest(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InvalidInput(str(path), "is not UTF-8 text") from None
    except OSError as error:
        raise InvalidInput(
            str(path), f"cannot be read ({error.strerror}); give a folder that holds one"
        ) from None
    return Project(
        manifest,
        {name: _read_binary(folder, name, path) for name, path in functions_to_upload(manifest).items()},
    )


def _read_binary(folder: Path, name: str, path: str) -> bytes:
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise InvalidInput(f"binary of {name}", f"{path} is outside the project folder")
    try:
        return target.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"binary of {name}", f"{target} cannot be read ({error.strerror}); build it first"
        ) from None
