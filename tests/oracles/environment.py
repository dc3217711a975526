"""The analyzer's own virtual environment, in the folder of the built programs: it needs an older PyYAML than catflap."""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.controlplane.cache import KEY_LENGTH, cache_root, locked
from tests.controlplane.golang import Unavailable
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.controlplane.progress import Progress, clock
from tests.controlplane.session import Needed

NAME: Final = "network-config-analyzer"
REQUIREMENTS: Final = Path(__file__).parent / "network_config_analyzer" / "requirements.txt"
PIP_INSTALL: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
LOOK_SECONDS: Final = 0.2
INSTALL_SECONDS: Final = 600.0  # for each step; on a usual machine they take ten in all


def install(progress: Progress) -> Path:
    """Return the Python that can import the analyzer; install it if needed.  Raises `Unavailable`."""
    python = cache_root() / key() / "bin" / "python"
    if python.exists():
        return python
    with locked(progress):
        if not python.exists():  # checked again: the last holder of the lock may have installed it
            _install(python.parents[1], progress)
    return python


def key() -> str:
    """Return a name for the folder that depends on the requirements, the Python and the machine."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes())
    machine = (platform.python_version(), platform.system(), platform.machine())
    digest.update(json.dumps(machine).encode())
    return f"{NAME}-{digest.hexdigest()[:KEY_LENGTH]}"


def _install(entry: Path, progress: Progress) -> None:
    started = time.monotonic()
    with ProcessSupervisor(parent=entry.parent, prefix="build-") as supervisor:
        environment = supervisor.folder / "environment"
        _run([sys.executable, "-m", "venv", environment], supervisor, progress)
        _run([environment / "bin" / "python", *PIP_INSTALL, "-r", REQUIREMENTS], supervisor, progress)
        shutil.rmtree(entry, ignore_errors=True)  # of a Python that is gone
        # Only the scripts of the environment contain the old path, and nothing calls them.
        environment.rename(entry)
    progress.finish(f"{NAME}: installed in {clock(time.monotonic() - started)}")


def _run(argv: Sequence[str | Path], supervisor: ProcessSupervisor, progress: Progress) -> None:
    process = supervisor.start(argv, output=subprocess.PIPE)
    started = time.monotonic()
    while (passed := time.monotonic() - started) < INSTALL_SECONDS:
        try:
            said, _ = process.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            progress.show(f"{NAME}: installing, {clock(passed)}")
            continue
        if process.returncode:
            raise Unavailable(f"{NAME}: cannot be installed from PyPI: {said.decode(errors='replace').strip()}")
        return
    raise Unavailable(f"{NAME}: `{argv[2]}` did not end within {INSTALL_SECONDS:g} s")


ENVIRONMENT: Final = Needed(fixture="analyzer", called=NAME, make=install)
