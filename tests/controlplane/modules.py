"""The pinned Go modules in this folder, and the programs that are built from them."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.cache import KEY_LENGTH

HERE: Final = Path(__file__).parent
MAJOR_VERSION: Final = re.compile(r"v\d+")
KUBERNETES_VERSION: Final = re.compile(r"^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", re.MULTILINE)
VERSIONED: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")  # what it says; its user agent
ENVIRONMENT: Final[Mapping[str, str]] = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


@dataclass(frozen=True, kw_only=True)
class Program:
    """A binary: what it is called here, and the Go package that it is made of."""

    name: str
    package: str

    @property
    def installed_as(self) -> str:
        """Return the name that `go install` gives it: the last path element that is not a major version."""
        return [part for part in self.package.split("/") if not MAJOR_VERSION.fullmatch(part)][-1]


@dataclass(frozen=True, kw_only=True)
class Module:
    """A go.mod with its programs.

    `unsummed` names what the public checksum database does not know; `sources` are Go files of this project; `outputs` are what is
    kept instead of the programs, and `derived_by` the Python file that makes them.
    """

    name: str
    programs: tuple[Program, ...]
    unsummed: str = ""
    sources: tuple[str, ...] = ()
    derived_by: Path | None = None
    outputs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the go.mod."""
        return HERE / self.name

    @property
    def makes(self) -> tuple[str, ...]:
        """Return the names in this module's cache folder: its programs, unless they are only build tools."""
        return self.outputs or tuple(program.name for program in self.programs)

    @property
    def go_mod(self) -> str:
        """Return the go.mod's text."""
        return (self.folder / "go.mod").read_text()

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the build flags: small binaries without paths of this machine and with their version."""
        # buildvcs: the checkout's commit is not the programs', and git may refuse the folder ("dubious ownership").
        return (
            "-buildvcs=false",
            "-trimpath",
            "-mod=readonly",
            "-ldflags",
            " ".join(("-s", "-w", *version_stamps(self.go_mod))),
        )

    @property
    def key(self) -> str:
        """Return a name for this module's cache folder that changes with each input of the build."""
        parts = [self.folder / name for name in ("go.mod", "go.sum", *self.sources)]
        parts += [self.derived_by] if self.derived_by else []
        digest = hashlib.sha256(b"\0".join(part.read_bytes() for part in parts))
        digest.update(json.dumps([self.flags, dict(ENVIRONMENT), platform.system(), platform.machine()]).encode())
        return f"{self.name}-{digest.hexdigest()[:KEY_LENGTH]}"


def version_stamps(go_mod: str) -> tuple[str, ...]:
    """Linker flags that set the version of Kubernetes; a plain `go build` calls itself v0.0.0, which clients mistrust."""
    match = KUBERNETES_VERSION.search(go_mod)
    if not match:
        return ()
    version, major, minor = match.groups()
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return tuple(f"-X {package}.{name}={value}" for package in VERSIONED for name, value in stamps.items())


KUBERNETES: Final = Module(
    name="kubernetes",
    programs=(
        Program(name="etcd", package="go.etcd.io/etcd/server/v3"),
        Program(name="kube-apiserver", package="k8s.io/kubernetes/cmd/kube-apiserver"),
        Program(name="kube-controller-manager", package="k8s.io/kubernetes/cmd/kube-controller-manager"),
        Program(name="kubectl", package="k8s.io/kubernetes/cmd/kubectl"),
    ),
)
HELM: Final = Module(name="helm", programs=(Program(name="helm", package="helm.sh/helm/v4/cmd/helm"),))
CALICO: Final = Module(
    name="calico",
    programs=(Program(name="controller-gen", package="sigs.k8s.io/controller-tools/cmd/controller-gen"),),
    unsummed="github.com/projectcalico/api",
    derived_by=HERE / "calico_crds.py",
    outputs=("crds",),
)
# CRDs that lie in the module as they are; nothing is built.
OPENREPORTS: Final = Module(name="openreports", programs=(), outputs=("openreports-crds",))
# A program of this project around Calico's selector package.
SELECTORS: Final = Module(
    name="selectors",
    programs=(Program(name="calico-selectors", package="catflap.dev/tests/controlplane/selectors"),),
    unsummed="github.com/projectcalico/calico",
    sources=("main.go",),
)
# A program of this project around Go's regular expressions, by which the API server's CEL matches.
PATTERNS: Final = Module(
    name="patterns",
    programs=(Program(name="patterns", package="catflap.dev/tests/controlplane/patterns"),),
    sources=("main.go",),
)
