"""The programs of the control plane: looked for in KUBEBUILDER_ASSETS, then in a cache, then built from the pinned Go modules.

The cache lies outside the checkout, so that a fresh clone and a clean-up do not cost ten minutes, and each entry is named by what
went into it, so that it cannot be stale.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.building import Build
from tests.controlplane.cache import cache_root, locked
from tests.controlplane.golang import Unavailable, find_go
from tests.controlplane.modules import CALICO, HELM, KUBERNETES, OPENREPORTS, Module
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.controlplane.progress import Progress

__all__ = ["Tools", "Unavailable", "cache_root", "ensure", "program"]

MODULES: Final = (
    OPENREPORTS,
    CALICO,
    HELM,
    KUBERNETES,
)  # the small ones first: a missing compiler or network shows in seconds
ASSETS: Final = "KUBEBUILDER_ASSETS"  # the variable with which controller-runtime's envtest finds its binaries


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The paths of the programs, and the folders with CRDs of other projects."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    helm: Path
    calico_crds: Path
    openreports_crds: Path


def ensure(progress: Progress) -> Tools:
    """Return all tools, building what is nowhere to be found; raises `Unavailable` if that cannot be."""
    _build_missing(MODULES, progress)
    return Tools(
        etcd=_get(KUBERNETES, "etcd"),
        kube_apiserver=_get(KUBERNETES, "kube-apiserver"),
        kube_controller_manager=_get(KUBERNETES, "kube-controller-manager"),
        kubectl=_get(KUBERNETES, "kubectl"),
        helm=_get(HELM, "helm"),
        calico_crds=_get(CALICO, "crds"),
        openreports_crds=_get(OPENREPORTS, "openreports-crds"),
    )


def program(module: Module, name: str, progress: Progress) -> Path:
    """Return one program of a module, built if it is nowhere to be found; raises `Unavailable` if that cannot be."""
    _build_missing((module,), progress)
    return _get(module, name)


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


def _build_missing(modules: Iterable[Module], progress: Progress) -> None:
    lacking = [module for module in modules if _missing(module)]
    if not lacking:
        return
    with locked(progress):
        for module in lacking:
            if missing := _missing(module):  # asked again: who held the lock may have built it
                _build(module, missing, progress)


def _build(module: Module, missing: list[str], progress: Progress) -> None:
    go = find_go(go_mod=module.go_mod, private=cache_root())
    with ProcessSupervisor(parent=cache_root(), prefix="build-") as supervisor:
        build = Build(module=module, go=go, supervisor=supervisor, progress=progress)
        wanted = [program for program in module.programs if program.name in missing]
        made = {CALICO: build.calico_crds, OPENREPORTS: build.openreports_crds}.get(module)
        built = made() if made else build.programs(wanted)
        entry = cache_root() / module.key
        entry.mkdir(exist_ok=True)
        for name, path in built.items():
            path.rename(entry / name)  # same file system, so at no time is there half a program
