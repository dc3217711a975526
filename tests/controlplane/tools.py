"""The programs of the control plane: looked for in KUBEBUILDER_ASSETS, then in a cache, then built from the pinned Go modules.

The cache lies outside the checkout, so that a fresh clone and a clean-up do not cost ten minutes, and each entry is named by what
went into it, so that it cannot be stale.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.building import Build
from tests.controlplane.golang import Unavailable, find_go
from tests.controlplane.keeper import Keeper
from tests.controlplane.modules import CALICO, HELM, KUBERNETES, Module
from tests.controlplane.progress import Progress, clock

__all__ = ["Tools", "Unavailable", "cache_root", "ensure"]

MODULES: Final = (CALICO, HELM, KUBERNETES)  # the small ones first: a missing compiler or network shows in seconds
ASSETS: Final = (
    "KUBEBUILDER_ASSETS"  # the variable by which controller-runtime's envtest is told where its binaries are
)
LOCK_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Where each program is, and the folder with Calico's CRDs."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    helm: Path
    calico_crds: Path


def ensure(progress: Progress) -> Tools:
    """Return all tools, building what is nowhere to be found; raises `Unavailable` if that cannot be."""
    if any(_missing(module) for module in MODULES):
        _build_missing(progress)
    return Tools(
        etcd=_get(KUBERNETES, "etcd"),
        kube_apiserver=_get(KUBERNETES, "kube-apiserver"),
        kube_controller_manager=_get(KUBERNETES, "kube-controller-manager"),
        kubectl=_get(KUBERNETES, "kubectl"),
        helm=_get(HELM, "helm"),
        calico_crds=_get(CALICO, "crds"),
    )


def cache_root() -> Path:
    """The folder that outlives checkouts."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "catflap" / "controlplane"


def _find(module: Module, name: str) -> Path | None:
    given = Path(os.environ[ASSETS], name) if os.environ.get(ASSETS) else None
    if given and given.is_file():
        return given.absolute()
    cached = cache_root() / module.key / name
    return cached if cached.exists() else None


def _get(module: Module, name: str) -> Path:
    found = _find(module, name)
    if not found:
        raise Unavailable(f"{name}: was built, and is gone again from {cache_root()}")
    return found


def _missing(module: Module) -> list[str]:
    return [name for name in module.makes if not _find(module, name)]


def _build_missing(progress: Progress) -> None:
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"a folder for the build: {error}") from error
    with _locked(root / "lock", progress):
        for module in MODULES:
            if missing := _missing(module):  # asked again: who held the lock may have built it
                _build(module, missing, progress)


def _build(module: Module, missing: list[str], progress: Progress) -> None:
    go = find_go(go_mod=module.go_mod, private=cache_root())
    with Keeper(parent=cache_root(), prefix="build-") as keeper:
        build = Build(module=module, go=go, keeper=keeper, progress=progress)
        wanted = [program for program in module.programs if program.name in missing]
        built = build.calico_crds() if module is CALICO else build.programs(wanted)
        entry = cache_root() / module.key
        entry.mkdir(exist_ok=True)
        for name, path in built.items():
            path.rename(entry / name)  # same file system, so at no time is there half a program


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    started = time.monotonic()
    with path.open("w") as lock:
        while not _lock(lock.fileno()):
            progress.show(f"waiting for another session's build: {clock(time.monotonic() - started)}")
            time.sleep(LOCK_PAUSE_SECONDS)
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
