"""The files in the folder of a cluster, and the command lines of its three servers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.controlplane.kubeconfig import by_certificate, write_kubeconfig
from tests.controlplane.pki import Authority, signing_key, write
from tests.controlplane.tools import Tools

# Relative, because etcd takes the part before the first slash of a unix:// URL; the servers run in the cluster's folder.  A
# socket there needs no port, and other users of the machine cannot reach the unprotected etcd.
ETCD: Final = "unix://etcd.sock"
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
SERVICE_RANGE: Final = (
    "10.96.0.0/16"  # its first address is the API server's own Service, and so a name in its certificate
)
SERVICE_ADDRESS: Final = "10.96.0.1"
CONTROLLER_QPS: Final = "300"  # the default of 20 requests a second is for sparing a big cluster, and makes tests wait
AUDIT_MEGABYTES: Final = "10000"  # else the log is cut at 100 MB, and a test would look for its entry in the wrong file
EVERY_WEBHOOK: Final = "*"

AUDIT_POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},  # asked all the time while waiting
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One cluster's folder, port, authorities and files."""

    folder: Path
    port: int
    users: Authority
    users_file: Path
    signing: Path
    verifying: Path
    serving: tuple[Path, Path]
    admission: Path
    audit_policy: Path
    webhook_client_ca: Path

    @property
    def server(self) -> str:
        """Return the API server's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def audit_log(self) -> Path:
        """The audit log of the API server, one JSON object per line."""
        return self.folder / "audit.log"

    def kubeconfig(self, user: str, *, groups: Sequence[str] = (), name: str) -> Path:
        """Write a kubeconfig with a certificate for this user."""
        entry = by_certificate(self.users.issue(user, groups=groups))
        return self.write_kubeconfig(entry, name=name)

    def write_kubeconfig(self, user: Mapping[str, str], *, name: str, server: str = "") -> Path:
        """Write a kubeconfig with this user entry, for the API server or a proxy to it."""
        path = self.folder / f"{name}.kubeconfig"
        return write_kubeconfig(path, server=server or self.server, authority=self.users.certificate, user=user)


def lay_out(folder: Path, *, port: int) -> Layout:
    """Write every file that the servers need to start."""
    users, users_file = Authority.written("users-ca", folder)
    hosts = ("127.0.0.1", "localhost", SERVICE_ADDRESS, "kubernetes.default.svc")
    signing, verifying = signing_key(folder, "service-accounts")
    admission, webhook_client_ca = _webhook_identity(folder)
    return Layout(
        folder=folder,
        port=port,
        users=users,
        users_file=users_file,
        signing=signing,
        verifying=verifying,
        serving=users.issue("kube-apiserver", hosts=hosts).write(folder, "kube-apiserver"),
        admission=admission,
        audit_policy=write(folder / "audit-policy.json", json.dumps(AUDIT_POLICY).encode()),
        webhook_client_ca=webhook_client_ca,
    )


def etcd(tools: Tools, layout: Layout) -> list[str | Path]:
    """Return the command line of etcd. It never syncs to disk: the data are not needed after a power cut, and this halves the time of a write."""
    return [
        tools.etcd,
        "--unsafe-no-fsync",
        f"--data-dir={layout.folder / 'etcd'}",
        "--name=only",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=unix://etcd-peer.sock",
        "--initial-advertise-peer-urls=http://localhost:1",  # never dialled: there are no peers
        "--initial-cluster=only=http://localhost:1",
        "--log-level=warn",
    ]


def kube_apiserver(tools: Tools, layout: Layout) -> list[str | Path]:
    """Return the command line of the API server, with authentication, RBAC, all default admission plugins and an audit log, as a real one has."""
    certificate, key = layout.serving
    return [
        tools.kube_apiserver,
        f"--etcd-servers={ETCD}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={layout.port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={layout.users_file}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.verifying}",
        f"--service-account-signing-key-file={layout.signing}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",  # otherwise privileged Pods are refused before any webhook is asked
        "--endpoint-reconciler-type=none",  # would publish 127.0.0.1, which is no valid endpoint
        # OpenShift has it, and it is off by default: a user who sets an owner reference on an object needs the right to delete the object.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        f"--admission-control-config-file={layout.admission}",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.audit_log}",
        f"--audit-log-maxsize={AUDIT_MEGABYTES}",
        "--profiling=false",
    ]


def kube_controller_manager(tools: Tools, layout: Layout) -> list[str | Path]:
    """Return the command line of the controller manager, whose controllers use their own service accounts, so that webhooks see them as in a real cluster."""
    authority, key = layout.users.identity.write(layout.folder, "signer")
    own = layout.kubeconfig("system:kube-controller-manager", name="kube-controller-manager")
    return [
        tools.kube_controller_manager,
        f"--kubeconfig={own}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={layout.signing}",
        f"--root-ca-file={layout.users_file}",
        f"--cluster-signing-cert-file={authority}",
        f"--cluster-signing-key-file={key}",
        f"--flex-volume-plugin-dir={layout.folder}",  # the default is a folder of the machine, which it would create
        "--secure-port=0",  # no port of its own: one less to lose
        "--leader-elect=false",
        f"--kube-api-qps={CONTROLLER_QPS}",
        f"--kube-api-burst={CONTROLLER_QPS}",
        "--profiling=false",
    ]


def _webhook_identity(folder: Path) -> tuple[Path, Path]:
    """Give the API server a client certificate for webhooks; return the admission configuration and the certificate's authority.

    A webhook that asks for no certificate notices nothing.
    """
    authority, authority_file = Authority.written("webhook-clients-ca", folder)
    user = {"name": EVERY_WEBHOOK, "user": by_certificate(authority.issue("system:kube-apiserver"))}
    credentials = write(
        folder / "webhook-clients.kubeconfig",
        json.dumps({"apiVersion": "v1", "kind": "Config", "users": [user]}).encode(),
    )
    plugin = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(credentials),
    }
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {"name": name, "configuration": plugin}
            for name in ("MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")
        ],
    }
    return write(folder / "admission.json", json.dumps(document).encode()), authority_file
