"""catflap on the test control plane, as its chart installs it.

No kubelet runs here, so the two processes run beside the API server, each with the token of the ServiceAccount that the
chart gives it and nothing more; the chart's own Service, of type ExternalName, leads the API server to them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.controlplane.client import MERGE, ApiError
from tests.controlplane.cluster import Cluster
from tests.programs import Program, control, free_port, running
from webhook.config.parse import digest
from webhook.kube import webhook_path
from webhook.kube.webhook_path import read
from webhook.model.names import BREAK_GLASS_GROUP
from webhook.model.path_tokens import PathTokens
from webhook.tls.folder import TlsFolder, ensure

CHART: Final = Path(__file__).parents[2] / "charts" / "catflap"
NAMESPACE: Final = "catflap-system"
RELEASE: Final = "catflap"
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations/catflap"
POLICY: Final = f"configmap:{NAMESPACE}/catflap-policy"
SECRET_PATH: Final = ("--secret-path",)  # as in a Pod, which listens on no loopback address
POLL_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 45.0  # as the largest policy file takes on a busy machine

Seen = TypeVar("Seen")


@dataclass
class Installation:
    """A running catflap: its two processes, and the cluster that they guard."""

    cluster: Cluster
    folder: Path
    port: int
    server: Program
    controller: Program
    revived: ExitStack  # what a test started anew
    replicas: list[Program] = field(default_factory=list)  # further controllers

    def apply(self, manifest: str | Mapping[str, Any], *arguments: str, **options: Any) -> Any:
        """`kubectl apply -f -`."""
        text = manifest if isinstance(manifest, str) else yaml.safe_dump(dict(manifest))
        return self.cluster.kubectl(
            "apply", "-f", "-", *arguments, stdin=text, check=options.pop("check", False), **options
        )

    def emergency(self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """One request as a member of the break-glass group, who alone may touch catflap's own policies."""
        groups = ["system:masters", BREAK_GLASS_GROUP]
        return self.cluster.api(method, path, body, as_user="emergency", as_groups=groups, **options)

    def configure(self, policy: Mapping[str, Any] | None = None) -> None:
        """Edit the policy as an admin does, and return when every process that runs has it in force.

        The engine is plain NetworkPolicy unless a test says otherwise: another test may have installed Calico.
        """
        whole = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"engine": "kubernetes"}}
        text = yaml.safe_dump({**whole, **(policy or {})}, sort_keys=False)
        self.write_policy(text)
        for program in (self.server, self.controller, *self.replicas):
            if program.process.poll() is not None:
                continue
            eventually(partial(in_force, program, digest(text)))

    def spares(self, space: str) -> bool:
        """Whether the registration leaves a namespace out."""
        [entry] = (one for one in self.registered("validating") if one["name"] == "pods.catflap.dev")
        return space in entry["namespaceSelector"]["matchExpressions"][0]["values"]

    def registered(self, phase: str) -> list[dict[str, Any]]:
        """The entries of one of the two webhook configurations."""
        found = self.cluster.api("GET", WEBHOOKS.format(phase))
        return found["webhooks"]  # type: ignore[no-any-return]

    def tokens(self) -> PathTokens:
        """The tokens of the secret path that are stored."""
        return read(self.cluster.api("GET", webhook_path.path(NAMESPACE)))

    def path(self, phase: str = "validate") -> str:
        """The path to which the API server sends reviews at this moment."""
        current = self.tokens().registered
        assert current is not None
        return f"/{phase}/{current.value}"

    def events(self) -> list[dict[str, Any]]:
        """What is told of the policy file."""
        found = self.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]
        return [one for one in found if one["regarding"]["name"] == "catflap-policy"]

    def write_policy(self, text: str) -> None:
        """Put any text where the policy is; try again while the server is too busy to decide."""
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
        body = {"data": {"policy.yaml": text}}
        answer = eventually(
            lambda: self.cluster.call("PATCH", path, body, content_type=MERGE), until=lambda found: found.status != 503
        )
        if answer.refused:
            raise ApiError(f"PATCH {path}", answer)


@contextmanager
def installed(
    cluster: Cluster,
    folder: Path,
    *,
    values: Mapping[str, Any] | None = None,
    trust: Sequence[str] = SECRET_PATH,
    options: Sequence[str] = (),
) -> Iterator[Installation]:
    """Install the chart and run both processes; the chart's objects stay, as the cluster ends with the session.

    `trust` are the server's options on whom it takes for the API server, `options` further ones of the controller.
    """
    port = free_port()
    ensure(TlsFolder(folder / "tls"), [f"catflap.{NAMESPACE}.svc", "localhost"], datetime.now(UTC))
    # The copy is for the right to write it; the file then does not ask for it.
    outside = {**beside_the_cluster(folder, port), "policy": {"twin": True}}
    (folder / "values.yaml").write_text(yaml.safe_dump({**outside, **(values or {})}), encoding="utf-8")
    with ExitStack() as stack:
        chart = ["--namespace", NAMESPACE, "--values", str(folder / "values.yaml")]
        cluster.helm("install", RELEASE, str(CHART), "--create-namespace", *chart)
        without_copy(cluster)
        server = stack.enter_context(served(cluster, folder, port, ready=False, trust=trust))
        controller = stack.enter_context(controlled(cluster, folder, port, ready=False, options=options))
        for program in (
            server,
            controller,
        ):  # neither is ready without the other: the Secret of the path, the registration
            program.wait_for()
        revived = stack.enter_context(ExitStack())
        yield Installation(cluster, folder, port, server, controller, revived)


def beside_the_cluster(folder: Path, port: int) -> dict[str, Any]:
    """The chart's values where both processes run beside the API server, the server at a port with the certificates of a folder."""
    return {
        "server": {"enabled": False},
        "controller": {"enabled": False},
        "service": {"type": "ExternalName", "externalName": "localhost", "port": port},
        "tls": {"mode": "secret", "secretName": "unused", "caBundle": (folder / "tls" / "ca.crt").read_text("ascii")},
        "networkPolicy": {"enabled": False},
    }


def without_copy(cluster: Cluster) -> None:
    """Have the policy file not ask for the copy of the rules, as it does not by default."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
    text = cluster.api("GET", path)["data"]["policy.yaml"].replace("twin: true", "twin: false")
    cluster.api("PATCH", path, {"data": {"policy.yaml": text}}, content_type="application/merge-patch+json")


@contextmanager
def served(
    cluster: Cluster, folder: Path, port: int, *, ready: bool = True, trust: Sequence[str] = SECRET_PATH
) -> Iterator[Program]:
    """The server, with the rights of its ServiceAccount."""
    own = ["--listen", f"127.0.0.1:{port}", "--tls-dir", str(folder / "tls")]
    token = str(cluster.kubeconfig_for_service_account(NAMESPACE, "catflap"))
    arguments = [*own, "--policy", POLICY, "--kubeconfig", token, *trust]
    environment = {"POD_NAMESPACE": NAMESPACE}
    with running(folder, "serve", *arguments, port=port, ready=ready, environment=environment) as program:
        yield program


@contextmanager
def controlled(
    cluster: Cluster,
    folder: Path,
    port: int = 0,
    *,
    name: str = "controller",
    server: str = "",
    ready: bool = True,
    options: Sequence[str] = (),
) -> Iterator[Program]:
    """A controller, with the rights of its ServiceAccount; `server` stands between it and the API server.

    It registers the servers at `port`, or keeps what is registered where no port is given.
    """
    token = str(cluster.kubeconfig_for_service_account(NAMESPACE, "catflap-controller", server=server))
    arguments = ["--policy", POLICY, "--kubeconfig", token, *registering(folder, port), *options]
    with control(folder / name, *arguments, ready=ready, environment={"POD_NAMESPACE": NAMESPACE}) as program:
        yield program


def registering(folder: Path, port: int) -> list[str]:
    """By which options the controller registers the chart's Service, as NOTES say them."""
    return ["--service", f"{NAMESPACE}/catflap:{port}", "--ca", str(folder / "tls" / "ca.crt")] if port else []


def eventually(
    look: Callable[[], Seen], *, until: Callable[[Seen], object] = bool, within: float = PATIENCE_SECONDS
) -> Seen:
    """What `look` sees once it is as it should be; fails with what it saw last."""
    deadline = time.monotonic() + within
    while not until(seen := look()):
        assert time.monotonic() < deadline, f"after {within} s still {seen!r}"
        time.sleep(POLL_SECONDS)
    return seen


def in_force(program: Program, policy_digest: str) -> bool:
    """Whether a process says that it follows this policy."""
    return policy_digest in program.status("/metrics").body.decode()


def names(answer: Mapping[str, Any]) -> Sequence[str]:
    """The names in a list, in order."""
    return sorted(item["metadata"]["name"] for item in answer["items"])
