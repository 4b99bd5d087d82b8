"""The files of a published run, each checked against the manifest before anything in it is used."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import CorruptionError, parse_json, parse_lines, read_json
from stackcli.common.records import parse_number
from stackcli.config.settings import Config, from_plain

WEIGHTS = "weights.pt"  # checked where they are loaded, and by verify: they may be large


class RunFiles:
    """Reads a run. Every method raises CorruptionError for a file that is missing or is not as it was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def manifest(self) -> dict[str, str]:
        """Name -> sha256 of each file."""
        path = self.folder / "manifest.json"
        try:
            found = dict(read_json(path, "result.json", "config.json"))
        except FileNotFoundError as error:
            raise CorruptionError(f"{path}: missing; {self._remedy()}") from error
        if not all(isinstance(sha, str) for sha in found.values()):
            raise CorruptionError(f"{path}: damaged (not every value is a text); {self._remedy()}")
        return found

    @cached_property
    def described(self) -> dict[str, Any]:
        """config.json: `settings`, the `source` of the parts (not in old runs), `reproduce`."""
        return dict(self.json("config.json", "settings"))

    def config(self) -> Config:
        """The settings of the run."""
        try:
            return from_plain(self.described["settings"])
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptionError(f"{self.folder / 'config.json'}: damaged ({error!r}); {self._remedy()}") from error

    def content(self, name: str) -> bytes:
        """The bytes of a file, which have the hash in the manifest."""
        path = self.folder / name
        if name not in self.manifest:
            raise CorruptionError(f"{path}: not in the manifest; {self._remedy()}")
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise CorruptionError(f"{path}: missing; {self._remedy()}") from error
        if hashlib.sha256(content).hexdigest() != self.manifest[name]:
            raise CorruptionError(f"{path}: damaged (it differs from its hash in the manifest); {self._remedy()}")
        return content

    def _remedy(self) -> str:
        return f"delete {self.folder} and run the command again, or add --force"

    def json(self, name: str, *keys: str, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
        """The value of a JSON file, an object with these keys or another `kind` of value."""
        return parse_json(self.content(name), self.folder / name, *keys, kind=kind)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The rows of a JSONL file."""
        return parse_lines(self.content(name), self.folder / name)

    def result(self) -> dict[str, Any]:
        """The fields of records.Result."""
        return {key: parse_number(value) for key, value in self.json("result.json", "status").items()}

    def find_faults(self, *, weights: bool) -> list[str]:
        """Describes every file that is missing, damaged or not in the manifest. weights: the weights are read too."""
        try:
            known = self.manifest
        except CorruptionError as error:
            return [str(error)]
        there = {path.name for path in self.folder.iterdir() if path.is_file()} - {"manifest.json"}
        faults = []
        for name in sorted({*known, *there} - (set() if weights else {WEIGHTS})):
            try:
                self.content(name)
            except CorruptionError as error:
                faults.append(str(error))
        return faults
