"""A running control plane, and everything that a test asks of it."""

import itertools
import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.controlplane import layout, served_apis
from tests.controlplane.client import Client
from tests.controlplane.kubeconfig import by_token
from tests.controlplane.layout import Layout
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.controlplane.server import Died, PortLost, Server
from tests.controlplane.tools import Tools
from tests.controlplane.waiting import wait_until
from tests.ports import free_ports

PORT_TRIES: Final = 3
PROBE_SECONDS: Final = 2.0  # for one question: another program's server on a lost port may never answer
ADMIN: Final = "catflap-admin"
ADMIN_GROUP: Final = "system:masters"
OWN_FOLDERS: Final = ("KUBECACHEDIR", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
TOKEN_SECONDS: Final = 24 * 60 * 60


class Cluster:
    """etcd, the API server and the controllers, for one test session; `running` makes it.

    Paths: `kubeconfig` is the administrator's, `audit_log` what the API server was asked, `authority_file` what its clients
    trust, `webhook_client_ca` what vouches for the certificate that it shows to webhooks.  `supervisor` starts further processes that
    must not outlive the cluster.
    """

    def __init__(self, *, tools: Tools, supervisor: ProcessSupervisor, port: int) -> None:
        self.tools = tools
        self.supervisor = supervisor
        self.folder = supervisor.folder / f"cluster-{port}"
        self.folder.mkdir()
        self._layout: Layout = layout.lay_out(self.folder, port=port)
        self.server = self._layout.server
        self.audit_log = self._layout.audit_log
        self.webhook_client_ca = self._layout.webhook_client_ca
        self.authority_file = self._layout.users_file
        self.kubeconfig = self._layout.kubeconfig(ADMIN, groups=[ADMIN_GROUP], name="admin")
        context = self._context()
        self._probe = Client(port=port, context=context, timeout=PROBE_SECONDS)
        self._client = Client(port=port, context=context)
        self.api = self._client.api  # raises when refused
        self.call = self._client.call  # returns status, warnings and answer, refused or not
        self.stream = self._client.stream  # leaves the answer to be read as it comes
        self._numbers = itertools.count()
        self.etcd = self._server(layout.etcd(tools, self._layout))
        self.apiserver = self._server(layout.kube_apiserver(tools, self._layout))
        self.controllers = self._server(layout.kube_controller_manager(tools, self._layout))
        self._servers = (self.etcd, self.apiserver, self.controllers)

    # Asking it

    def kubectl(
        self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, or as the user of the kubeconfig."""
        return self._run(self.tools.kubectl, arguments, stdin=stdin, kubeconfig=kubeconfig, check=check)

    def helm(
        self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run helm in the same way."""
        return self._run(self.tools.helm, arguments, stdin=stdin, kubeconfig=kubeconfig, check=check)

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Return the variables for a program that uses this cluster and not the user's own settings."""
        own = {name: str(self.folder / name.lower()) for name in OWN_FOLDERS}
        return os.environ | own | {"KUBECONFIG": str(kubeconfig or self.kubeconfig)}

    def audit_size(self) -> int:
        """Return the current size of the audit log, from which `audit_events` continues."""
        return self.audit_log.stat().st_size

    def audit_events(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Everything the API server has been asked so far, as audit events, oldest first, but for the first `after` bytes."""
        with self.audit_log.open("rb") as log:
            log.seek(after)
            lines = log.read().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]  # what follows the last newline is being written

    # Impersonation

    def kubeconfig_for(self, *, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig for a user with these groups; RBAC gives them nothing until a test does."""
        return self._layout.kubeconfig(user, groups=groups, name=self._fresh_name())

    def kubeconfig_for_service_account(self, namespace: str, name: str, *, server: str = "") -> Path:
        """Write a kubeconfig with a fresh token of an existing service account; `server` is a proxy to the API server."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        token = self.api("POST", path, request)["status"]["token"]
        return self._layout.write_kubeconfig(by_token(token), name=self._fresh_name(), server=server)

    # Changing it

    def install_calico(self) -> None:
        """Serve `projectcalico.org/v3`; nothing happens if that is so already."""
        served_apis.install(self._client, self.tools.calico_crds, served_apis.CALICO_PROBE)

    def remove_calico(self) -> None:
        """Serve it no longer, and delete its objects; nothing happens if that is so already."""
        served_apis.remove(self._client, self.tools.calico_crds)

    def install_openreports(self) -> None:
        """Serve `openreports.io/v1alpha1`; nothing happens if that is so already."""
        served_apis.install(self._client, self.tools.openreports_crds, served_apis.REPORT_PROBE)

    def remove_openreports(self) -> None:
        """Serve it no longer, and delete all reports; nothing happens if that is so already."""
        served_apis.remove(self._client, self.tools.openreports_crds)

    def stop_apiserver(self) -> None:
        """Kill the API server; the store and the controllers stay."""
        self.apiserver.kill()

    def start_apiserver(self) -> None:
        """Start the API server on its port and its store, and return when it is ready."""
        self.apiserver.start()
        self._wait_until(self._ready, what="the API server to be ready")

    def restart_apiserver(self) -> None:
        """Let it crash and come back."""
        self.stop_apiserver()
        self.start_apiserver()

    def start(self) -> None:
        """Start everything and return when a namespace and its service account can be used."""
        self.etcd.start()
        self.start_apiserver()
        self.controllers.start()
        self._wait_until(self._populated, what="the default service account")

    @contextmanager
    def another_apiserver(self) -> Iterator[tuple[Server, Client]]:
        """Yield a second API server on the same etcd, and a client of it; it logs no audit events."""
        port = next(free_ports(1))
        argv = layout.kube_apiserver(self.tools, replace(self._layout, port=port))
        server = self._server([one for one in argv if not str(one).startswith("--audit-")])
        client = Client(port=port, context=self._context())
        server.start()
        try:
            self._wait_until(lambda: answers(client, server), what="the second API server")
            yield server, client
        finally:
            client.close()
            server.kill()

    def check(self) -> None:
        """Raise `Died`, with the end of its log, for a server that ended by itself."""
        for server in self._servers:
            server.check()

    def kill(self) -> None:
        """End all three."""
        self._probe.close()
        self._client.close()
        for server in self._servers:
            server.kill()

    def _fresh_name(self) -> str:
        return f"user-{next(self._numbers)}"

    def _server(self, argv: Sequence[str | Path]) -> Server:
        return Server(argv, supervisor=self.supervisor, folder=self.folder)

    def _context(self) -> ssl.SSLContext:
        admin = self._layout.users.issue(ADMIN, groups=[ADMIN_GROUP])
        context = ssl.create_default_context(cafile=self._layout.users_file)
        context.load_cert_chain(*admin.write(self.folder, "admin"))
        return context

    def _wait_until(self, happened: Callable[[], bool], *, what: str) -> None:
        try:
            wait_until(happened, what=what)
        except TimeoutError as error:
            for server in self._servers:
                error.add_note(f"The log of {server.name} ends so:\n{server.tail()}")
            raise

    def _ready(self) -> bool:
        self.check()
        try:
            return not self._probe.call("GET", "/readyz").refused
        except OSError:
            return False

    def _populated(self) -> bool:
        self.check()
        return not self.call("GET", "/api/v1/namespaces/default/serviceaccounts/default").refused

    def _run(
        self, program: Path, arguments: Sequence[str], *, stdin: str | None, kubeconfig: Path | None, check: bool
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            env=self.environment(kubeconfig),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            failure = subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
            failure.add_note(done.stderr)
            raise failure
        return done


def answers(client: Client, server: Server) -> bool:
    """Return whether an API server is ready."""
    server.check()
    try:
        return not client.call("GET", "/readyz").refused
    except OSError:
        return False


@contextmanager
def running(tools: Tools, *, ports: Iterable[int] | None = None) -> Iterator[Cluster]:
    """Start a cluster on the first port that works; at the end nothing of it is left, neither process nor file."""
    with ProcessSupervisor() as supervisor:
        cluster = _started(tools, supervisor, ports or free_ports(PORT_TRIES))
        try:
            yield cluster
        finally:
            cluster.kill()


def _started(tools: Tools, supervisor: ProcessSupervisor, ports: Iterable[int]) -> Cluster:
    lost: Died | None = None
    for port in ports:
        cluster = Cluster(tools=tools, supervisor=supervisor, port=port)
        try:
            cluster.start()
        except PortLost as error:
            lost = error
            cluster.kill()
        else:
            return cluster
    raise lost or Died("no free port")
