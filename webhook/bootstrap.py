"""The only place that makes real parts and joins them."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from msgspec import Struct

from webhook.audit.log import AuditLog
from webhook.audit.record import configuration_record, utc_now
from webhook.audit.sink import AuditLogUnwritable
from webhook.config.faults import BadPolicy
from webhook.config.parse import Loaded
from webhook.config.source import ConfigMapRef, PolicyFile
from webhook.config.store import PolicyStore
from webhook.controller.endings import Endings
from webhook.controller.following import Registered
from webhook.controller.loop import Controller
from webhook.controller.reconcile import Reconciler
from webhook.controller.recording import Recording
from webhook.controller.refusals import Refusals, telling
from webhook.controller.twinned import Twinned
from webhook.kube.api import Api, Json, connect
from webhook.kube.discovery import calico_resources, choose_engine, detect_dns
from webhook.kube.epoch import Epoch, oldest_policy
from webhook.kube.events import refused_file
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.standing import Standing
from webhook.kube.surroundings import Lookout, Surroundings
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.names import DEFAULT_NAMESPACE, POLICY_CONFIGMAP_KEY
from webhook.server.answer import Answerer, Cluster
from webhook.server.asking import ClusterToAsk, NoClusterToAsk
from webhook.server.foresight import Foresight
from webhook.server.gate import Gate
from webhook.server.health import Checks, create_status_app, serve_status
from webhook.server.serving import Listening, Server
from webhook.server.unavailable import Unavailable
from webhook.tls.folder import TlsFolder, is_current

logger = logging.getLogger(__name__)


class Address(Struct, frozen=True):
    """Where a port is opened."""

    host: str
    port: int


class Common(Struct, frozen=True):
    """What `serve` and `controller` are both told."""

    policy: Path | ConfigMapRef
    status: Address
    kubeconfig: str | None
    audit_log: str | None
    audit_key: Path | None = None

    @property
    def own_namespace(self) -> str:
        """Where catflap itself runs: what the Pod was told, else where its ConfigMap lies."""
        told = os.environ.get("POD_NAMESPACE")
        return told or (self.policy.namespace if isinstance(self.policy, ConfigMapRef) else DEFAULT_NAMESPACE)


class Parts(Struct, frozen=True):
    """What both processes are made of."""

    audit: AuditLog
    metrics: Metrics
    policies: PolicyStore


def serve(common: Common, listen: Address, *, tls: TlsFolder, worker: str, standalone: bool) -> None:
    """Run the webhook server until it is told to stop."""
    Server(
        Listening(listen.host, listen.port, worker),
        folder=tls,
        start=lambda: start_serving(common, tls, standalone=standalone),
    ).run()


def start_serving(common: Common, tls: TlsFolder, *, standalone: bool) -> Answerer:
    """The parts of one serving process, made after the fork."""
    api = None if standalone else connect(common.kubeconfig)
    parts = make_parts(common, "serve")
    checks: dict[str, Callable[[], bool]] = {
        "policy": lambda: parts.policies.current is not None,
        "certificate": lambda: is_current(tls, utc_now()),
    }
    start_policy(common.policy, parts.policies, api)
    cluster: Cluster = NoClusterToAsk() if api is None else start_asking(common, parts, api, checks)
    start_status(common.status, checks, parts.metrics)
    return Answerer(
        policies=parts.policies,
        audit=parts.audit,
        metrics=parts.metrics,
        cluster=cluster,
        own_namespace=common.own_namespace,
    )


def start_asking(common: Common, parts: Parts, api: Api, checks: dict[str, Callable[[], bool]]) -> ClusterToAsk:
    """What answers questions about the cluster; its caches are added to the checks of readiness."""
    namespaces = Watch(api, NAMESPACES)
    epoch = Epoch(api, own_namespace=common.own_namespace)
    lookout = Lookout(
        look_around(api, parts.policies, on_record(epoch, api)),
        on_change=lambda _: None,
    )
    parts.policies.on_change(lambda _: lookout.look_now())
    namespaces.start()
    lookout.start()
    checks["namespaces"] = lambda: namespaces.synced
    checks["surroundings"] = lambda: lookout.current is not None
    gate = Gate(
        cached=namespaces.get,
        around=lambda: lookout.current,
        audit=parts.audit,
        metrics=parts.metrics,
        own_namespace=common.own_namespace,
        now=utc_now,
    )
    foresight = Foresight(namespaces=namespaces.objects, epoch=epoch, own_namespace=common.own_namespace, now=utc_now)
    return ClusterToAsk(api, epoch=epoch, gate=gate, foresight=foresight)


def control(common: Common) -> None:
    """Run the controller until it is told to stop."""
    api = connect(common.kubeconfig)
    parts = make_parts(
        common,
        "controller",
        on_refusal=lambda faults: refused_file(api, common.own_namespace, faults, utc_now()),
    )
    standing = Standing(api)
    recording = Recording(parts.audit, utc_now)
    controller = Controller(
        namespaces=Watch(api, NAMESPACES),
        standing=standing,
        followers={
            **telling(
                Registered(api.patient(), recording=recording, own_namespace=common.own_namespace),
                Twinned(api.patient(), recording=recording, own_namespace=common.own_namespace, now=utc_now),
                refusals=Refusals(api, metrics=parts.metrics, own_namespace=common.own_namespace, now=utc_now),
            ),
            "/endings": Endings(api, metrics=parts.metrics, own_namespace=common.own_namespace, now=utc_now),
        },
        policies=parts.policies,
        reconciler=Reconciler(
            api=api,
            standing=standing,
            recording=recording,
            metrics=parts.metrics,
            own_namespace=common.own_namespace,
            now=utc_now,
        ),
        look=look_around(api, parts.policies, recorded(Epoch(api, own_namespace=common.own_namespace), api)),
        metrics=parts.metrics,
    )
    parts.policies.on_change(lambda _: controller.policy_changed())
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    start_policy(common.policy, parts.policies, api)
    start_status(common.status, {"controller": lambda: controller.ready}, parts.metrics)
    controller.start()
    stopped.wait()
    controller.stop()
    parts.audit.stop()


def make_parts(common: Common, process: str, *, on_refusal: Callable[[str], None] = lambda _: None) -> Parts:
    """The audit log, the metrics and the policy store, joined; `on_refusal` is told the faults of a file that is refused."""
    audit = AuditLog(common.audit_log, process=process, root=common.audit_key)
    audit.start()
    metrics = Metrics()

    def record(**what: Any) -> None:
        try:
            audit.append(configuration_record(**what, at=utc_now()))
        except AuditLogUnwritable:  # the requests that follow are refused for it; the policy itself is no worse
            logger.exception("no record of a change of policy")
            metrics.audit_failures.inc()

    def in_force(loaded: Loaded) -> None:
        logger.info("policy %s is in force", loaded.digest)
        metrics.policy.info({"digest": loaded.digest})
        record(accepted=True, faults=[], policy_digest=loaded.digest)

    def refused(bad: BadPolicy) -> None:
        metrics.policy_refusals.inc()
        faults = [str(fault) for fault in bad.faults]
        logger.error("the policy file is refused, the last good one stays:\n%s", "\n".join(faults))
        current = policies.current
        record(accepted=False, faults=faults, policy_digest=current.digest if current else "")
        on_refusal("; ".join(faults))

    policies = PolicyStore(on_refusal=refused)
    policies.on_change(in_force)
    return Parts(audit=audit, metrics=metrics, policies=policies)


def start_policy(source: Path | ConfigMapRef, policies: PolicyStore, api: Api | None) -> None:
    """Read the policy and keep reading it, from a file or from a ConfigMap."""
    if isinstance(source, Path):
        PolicyFile(source, policies).start()
        return
    assert api is not None
    watch = Watch(
        api,
        f"/api/v1/namespaces/{source.namespace}/configmaps",
        query={"fieldSelector": f"metadata.name={source.name}"},
    )

    def changed(found: Json) -> None:
        policies.offer((found.get("data") or {}).get(POLICY_CONFIGMAP_KEY, ""))

    watch.on_change(changed)
    watch.start()


def start_status(address: Address, checks: Checks, metrics: Metrics) -> None:
    """Open the status port."""
    serve_status(create_status_app(checks, metrics.registry), address.host, address.port)


def on_record(epoch: Epoch, api: Api) -> Callable[[datetime], datetime | None]:
    """Since when the server takes namespaces for closed: as recorded, or since the registration."""

    def since(_started: datetime) -> datetime | None:
        found = epoch.read(api)
        return found.closing if found else None

    return since


def recorded(epoch: Epoch, api: Api) -> Callable[[datetime], datetime]:
    """Since when the controller closes namespaces: the recorded epoch, or its own start where that was earlier.

    The webhook may be registered after the controller's start, and the controller may start again before that: then our
    oldest policy tells.
    """
    unregistered: list[datetime] = []

    def since(started: datetime) -> datetime:
        found = epoch.record()
        if found is not None:
            return min(found.closing, started)
        if not unregistered:
            unregistered.append(min(oldest_policy(api) or started, started))
        return unregistered[0]

    return since


def look_around(
    api: Api, policies: PolicyStore, closed_since: Callable[[datetime], datetime | None]
) -> Callable[[], Surroundings]:
    """Asks for the surroundings; `closed_since` is given this process's start, by the API server's clock."""
    started: list[datetime] = []

    def look() -> Surroundings:
        if not started:
            started.append(api.clock())
        loaded = policies.current
        if loaded is None:
            raise Unavailable("no policy file is in force yet")
        kube_system = api.get(f"{NAMESPACES}/kube-system") or {"metadata": {}}
        calico = calico_resources(api)
        return Surroundings(
            engine=choose_engine(loaded.policy.network.engine, calico),
            calico=calico,
            detected_dns=detect_dns(api, kube_system["metadata"].get("labels") or {}),
            closed_since=closed_since(started[0]) or started[0],
        )

    return look


def log_to_stderr(*, verbose: bool) -> None:
    """Programs' messages go to standard error, in UTC; standard output is the audit log's."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    logging.Formatter.converter = time.gmtime
    if (
        not verbose
    ):  # an API server that is down is told of once by each watch of ours, not by each try of the libraries
        for library in ("kubernetes.informer", "urllib3.connectionpool"):
            logging.getLogger(library).setLevel(logging.ERROR)
