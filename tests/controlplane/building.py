"""Run Go on one module, with signs of life."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.controlplane.calico_crds import GENERATE, mend_folder
from tests.controlplane.golang import Unavailable
from tests.controlplane.modules import ENVIRONMENT, Module, Program
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.controlplane.progress import Progress, clock

REPORTS_API: Final = "github.com/openreports/reports-api"
LOOK_SECONDS: Final = 0.2
TAIL_LINES: Final = 15
CROSS_BUILD: Final = ("GOOS", "GOARCH", "GOROOT")  # set for another machine or another Go, they would break this build


@dataclass(frozen=True, kw_only=True)
class Build:
    """One module's build in the supervisor's folder, which goes away with it."""

    module: Module
    go: Path
    supervisor: ProcessSupervisor
    progress: Progress
    started: float = field(default_factory=time.monotonic)

    @property
    def _bin(self) -> Path:
        return self.supervisor.folder / f"{self.module.name}-bin"

    def programs(self, programs: Sequence[Program]) -> dict[str, Path]:
        """Build these programs; return where each lies, by name."""
        packages = [program.package for program in programs]
        needed = self._run([self.go, "list", "-deps", *self.module.flags, *packages], says=self._fetching)
        total = len(_packages(needed))
        self._run(
            [self.go, "install", "-v", *self.module.flags, *packages], says=lambda lines: self._compiling(lines, total)
        )
        self.progress.finish(f"{self.module.name}: built in {clock(time.monotonic() - self.started)}")
        return {program.name: self._bin / program.installed_as for program in programs}

    def calico_crds(self) -> dict[str, Path]:
        """Build the generator, let it write the CRDs, and mend them."""
        generator = self.programs(self.module.programs)["controller-gen"]
        raw, mended = self.supervisor.folder / "crds-raw", self.supervisor.folder / "crds"
        mended.mkdir()
        self._run([generator, *GENERATE, f"output:crd:dir={raw}"], says=lambda _: f"{self._clock}, writing CRDs")
        mend_folder(raw, mended)
        return {mended.name: mended}

    def openreports_crds(self) -> dict[str, Path]:
        """Fetch the module and take its CRDs."""
        told = self._run([self.go, "mod", "download", "-json", REPORTS_API], says=lambda _: f"{self._clock}, fetching")
        found = Path(json.loads("\n".join(told))["Dir"])
        taken = self.supervisor.folder / "openreports-crds"
        taken.mkdir()
        sources = list(found.glob("config/crd/*.yaml"))
        for source in sources:
            shutil.copyfile(source, taken / source.name)
        if not sources:
            raise Unavailable(f"{self.module.name}: no CRDs in {found}/config/crd")
        self.progress.finish(f"{self.module.name}: fetched in {clock(time.monotonic() - self.started)}")
        return {taken.name: taken}

    @property
    def _clock(self) -> str:
        return f"{self.module.name}: {clock(time.monotonic() - self.started)}"

    def _fetching(self, lines: Sequence[str]) -> str:
        return f"{self._clock}, fetching modules, {len(lines) - len(_packages(lines))} so far"

    def _compiling(self, lines: Sequence[str], total: int) -> str:
        return f"{self._clock}, compiling, {len(_packages(lines))} of at most {total} packages"

    def _run(self, argv: Sequence[str | Path], *, says: Callable[[Sequence[str]], str]) -> list[str]:
        lines: list[str] = []
        process = self.supervisor.start(argv, output=subprocess.PIPE, cwd=self.module.folder, env=self._environment())
        reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
        reader.start()
        while reader.is_alive():
            self.progress.show(says(lines))
            reader.join(LOOK_SECONDS)
        if process.wait():
            tail = "\n".join(lines[-TAIL_LINES:])
            raise Unavailable(f"{self.module.name}: `{Path(argv[0]).name} {argv[1]}` failed:\n{tail}")
        return lines

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in CROSS_BUILD}
        path = f"{self.go.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"  # controller-gen calls `go` itself
        return kept | dict(ENVIRONMENT) | {"PATH": path, "GOBIN": str(self._bin)} | self._unsummed()

    def _unsummed(self) -> dict[str, str]:
        if not self.module.unsummed:
            return {}
        asked = subprocess.run([self.go, "env", "GONOSUMDB"], capture_output=True, text=True, check=True)
        return {"GONOSUMDB": ",".join(filter(None, (asked.stdout.strip(), self.module.unsummed)))}


def _packages(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not line.startswith("go: ")]  # the others are downloads


def _collect(process: subprocess.Popen[bytes], lines: list[str]) -> None:
    assert process.stdout
    with process.stdout as stream:
        for line in stream:
            lines.append(line.decode(errors="replace").rstrip())  # noqa: PERF401 -- read by another thread as it grows
