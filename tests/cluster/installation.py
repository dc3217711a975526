"""catflap on the test control plane, as its chart installs it.

No kubelet runs, so the two processes run beside the API server. Each has the token of its ServiceAccount from the
chart and no other rights. The chart's Service has type ExternalName and leads the API server to them.
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
from tests.ports import free_port
from tests.programs import Program, control, running
from webhook.config.parse import digest
from webhook.kube import webhook_path
from webhook.kube.webhook_path import parse_tokens
from webhook.model.names import BREAK_GLASS_GROUP
from webhook.model.path_tokens import PathTokens
from webhook.tls.certificate_folder import TlsFolder, ensure_certificate

CHART: Final = Path(__file__).parents[2] / "charts" / "catflap"
NAMESPACE: Final = "catflap-system"
RELEASE: Final = "catflap"
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations/catflap"
POLICY: Final = f"configmap:{NAMESPACE}/catflap-policy"
SECRET_PATH: Final = ("--secret-path",)  # as in a Pod, which does not listen on a loopback address
POLL_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 45.0  # the largest policy file takes this long on a busy machine

Seen = TypeVar("Seen")


@dataclass
class Installation:
    """A running catflap: its two processes and the cluster."""

    cluster: Cluster
    folder: Path
    port: int
    server: Program
    controller: Program
    revived: ExitStack  # restarted by a test
    replicas: list[Program] = field(default_factory=list)  # further controllers

    def apply(self, manifest: str | Mapping[str, Any], *arguments: str, **options: Any) -> Any:
        """Run `kubectl apply -f -`."""
        text = manifest if isinstance(manifest, str) else yaml.safe_dump(dict(manifest))
        return self.cluster.kubectl(
            "apply", "-f", "-", *arguments, stdin=text, check=options.pop("check", False), **options
        )

    def emergency(self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send one request as a member of the break-glass group, which alone may change catflap's own policies."""
        groups = ["system:masters", BREAK_GLASS_GROUP]
        return self.cluster.api(method, path, body, as_user="emergency", as_groups=groups, **options)

    def configure(self, policy: Mapping[str, Any] | None = None) -> str:
        """Apply a policy as an administrator does, and return its digest when every running process uses it.

        The engine is plain NetworkPolicy by default, as another test may have installed Calico.
        """
        whole = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"engine": "kubernetes"}}
        text = yaml.safe_dump({**whole, **(policy or {})}, sort_keys=False)
        self.write_policy(text)
        for program in (self.server, self.controller, *self.replicas):
            if program.process.poll() is not None:
                continue
            eventually(partial(in_force, program, digest(text)))
        return digest(text)

    def spares(self, space: str) -> bool:
        """Return whether the registration excludes a namespace."""
        [entry] = (one for one in self.registered("validating") if one["name"] == "pods.catflap.dev")
        return space in entry["namespaceSelector"]["matchExpressions"][0]["values"]

    def registered(self, phase: str) -> list[dict[str, Any]]:
        """Return the entries of one of the two webhook configurations."""
        found = self.cluster.api("GET", WEBHOOKS.format(phase))
        return found["webhooks"]  # type: ignore[no-any-return]

    def tokens(self) -> PathTokens:
        """Return the stored tokens of the secret path."""
        return parse_tokens(self.cluster.api("GET", webhook_path.path(NAMESPACE)))

    def path(self, phase: str = "validate") -> str:
        """Return the path to which the API server sends reviews now."""
        current = self.tokens().registered
        assert current is not None
        return f"/{phase}/{current.value}"

    def events(self) -> list[dict[str, Any]]:
        """Return the notes of Events on the policy file."""
        found = self.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]
        return [one for one in found if one["regarding"]["name"] == "catflap-policy"]

    def write_policy(self, text: str) -> None:
        """Write any text as the policy file; retry while the server is too busy to decide."""
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

    `trust` are the server's options for authentication, `options` additional ones of the controller.
    """
    port = free_port()
    ensure_certificate(TlsFolder(folder / "tls"), [f"catflap.{NAMESPACE}.svc", "localhost"], datetime.now(UTC))
    # The chart value grants the right to write the copy. The policy file then does not ask for it.
    outside = {**chart_values(folder, port), "policy": {"validatingAdmissionPolicy": True}}
    (folder / "values.yaml").write_text(yaml.safe_dump({**outside, **(values or {})}), encoding="utf-8")
    with ExitStack() as stack:
        chart = ["--namespace", NAMESPACE, "--values", str(folder / "values.yaml")]
        cluster.helm("install", RELEASE, str(CHART), "--create-namespace", *chart)
        disable_copy(cluster)
        server = stack.enter_context(run_server(cluster, folder, port, ready=False, trust=trust))
        controller = stack.enter_context(run_controller(cluster, folder, port, ready=False, options=options))
        for program in (
            server,
            controller,
        ):  # they depend on each other: the Secret of the path, and the registration
            program.wait_for()
        revived = stack.enter_context(ExitStack())
        yield Installation(cluster, folder, port, server, controller, revived)


def chart_values(folder: Path, port: int) -> dict[str, Any]:
    """Return the chart's values for processes beside the API server, with the server's port and certificate folder."""
    return {
        "server": {"enabled": False},
        "controller": {"enabled": False},
        "service": {"type": "ExternalName", "externalName": "localhost", "port": port},
        "tls": {"mode": "secret", "secretName": "unused", "caBundle": (folder / "tls" / "ca.crt").read_text("ascii")},
        "networkPolicy": {"enabled": False},
    }


def disable_copy(cluster: Cluster) -> None:
    """Let the policy file not ask for the copy of the rules, as is the default."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
    text = cluster.api("GET", path)["data"]["policy.yaml"].replace(
        "validatingAdmissionPolicy: true", "validatingAdmissionPolicy: false"
    )
    cluster.api("PATCH", path, {"data": {"policy.yaml": text}}, content_type="application/merge-patch+json")


@contextmanager
def run_server(
    cluster: Cluster, folder: Path, port: int, *, ready: bool = True, trust: Sequence[str] = SECRET_PATH
) -> Iterator[Program]:
    """Run the server with the rights of its ServiceAccount."""
    own = ["--listen", f"127.0.0.1:{port}", "--tls-dir", str(folder / "tls")]
    token = str(cluster.kubeconfig_for_service_account(NAMESPACE, "catflap"))
    arguments = [*own, "--policy", POLICY, "--kubeconfig", token, *trust]
    environment = {"POD_NAMESPACE": NAMESPACE}
    with running(folder, "serve", *arguments, port=port, ready=ready, environment=environment) as program:
        yield program


@contextmanager
def run_controller(
    cluster: Cluster,
    folder: Path,
    port: int = 0,
    *,
    name: str = "controller",
    server: str = "",
    ready: bool = True,
    options: Sequence[str] = (),
) -> Iterator[Program]:
    """Run a controller with the rights of its ServiceAccount; `server` is a proxy of the API server.

    It registers the servers at `port`. Without a port, it keeps the registered address.
    """
    token = str(cluster.kubeconfig_for_service_account(NAMESPACE, "catflap-controller", server=server))
    arguments = ["--policy", POLICY, "--kubeconfig", token, *registration_options(folder, port), *options]
    with control(folder / name, *arguments, ready=ready, environment={"POD_NAMESPACE": NAMESPACE}) as program:
        yield program


def registration_options(folder: Path, port: int) -> list[str]:
    """Return the options by which the controller registers the chart's Service, as in NOTES."""
    return ["--service", f"{NAMESPACE}/catflap:{port}", "--ca", str(folder / "tls" / "ca.crt")] if port else []


def eventually(
    look: Callable[[], Seen], *, until: Callable[[Seen], object] = bool, within: float = PATIENCE_SECONDS
) -> Seen:
    """Return the first truthy result of `look`; fail with its last result at the timeout."""
    deadline = time.monotonic() + within
    while not until(seen := look()):
        assert time.monotonic() < deadline, f"after {within} s still {seen!r}"
        time.sleep(POLL_SECONDS)
    return seen


def in_force(program: Program, policy_digest: str) -> bool:
    """Return whether a process logged that this policy is in force."""
    return f'catflap_policy_info{{digest="{policy_digest}"}}' in program.status("/metrics").body.decode()


def names(answer: Mapping[str, Any]) -> Sequence[str]:
    """Return the names in a list, in order."""
    return sorted(item["metadata"]["name"] for item in answer["items"])
