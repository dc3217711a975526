"""Builds and runs the webhook server process."""

import socket
import sys
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Final

from webhook.audit.log import AuditLog
from webhook.audit.record import certificate_record, timestamp, utc_now
from webhook.audit.retry_queue import RetryQueue
from webhook.audit.schema import ServingCertificate
from webhook.bootstrap.cluster_info import (
    check_permissions,
    cluster_info_factory,
    configmap_of,
    identity_refresher,
    server_isolation_since,
)
from webhook.bootstrap.parts import (
    BindAddress,
    ProcessOptions,
    ProcessParts,
    append_record,
    make_parts,
    start_policy_source,
    start_status_server,
)
from webhook.bootstrap.sender_authentication import SenderAuthentication, start_sender_check
from webhook.kube.api import Api, connect
from webhook.kube.cluster_info import ClusterInfoPoller
from webhook.kube.event_series import EventSeriesRecorder
from webhook.kube.events import Reporter
from webhook.kube.identity import ProcessIdentity
from webhook.kube.install_record import InstallRecord
from webhook.kube.namespaces import NAMESPACES_PATH as NAMESPACES
from webhook.kube.permissions import server_permissions
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.identity import chart_accounts
from webhook.model.reason import Reason
from webhook.server.accepted_tokens import AcceptedTokens
from webhook.server.cluster_lookup import ApiServerLookup, ClusterLookup, OfflineLookup
from webhook.server.event_recorder import EventRecorder, RecordEvent, discard_event
from webhook.server.gunicorn_server import GunicornServer, ListenOptions, ServerParts
from webhook.server.isolation_gate import IsolationGate
from webhook.server.policy_impact import PolicyImpactAnalyzer
from webhook.server.review_handler import ReviewHandler
from webhook.tls.certificate_authority import Certificate
from webhook.tls.certificate_folder import CertificateReloader, TlsFolder, is_current
from webhook.tls.client_certificates import request_client_certificates

# While a thread computes, the event loop waits this long each time that it needs the interpreter, about six times per
# review. With Python's default of 5 ms the median review took 24 ms during a computation, with this value 3 ms, at
# the same throughput.
SWITCH_SECONDS: Final = 0.0002


def run_server(
    options: ProcessOptions,
    listen: BindAddress,
    *,
    tls: TlsFolder,
    worker: str,
    standalone: bool,
    trust: SenderAuthentication,
) -> None:
    """Run the webhook server until a signal stops it."""
    GunicornServer(
        ListenOptions(listen.host, listen.port, worker),
        folder=tls,
        make_parts=lambda: start_server_parts(options, tls, standalone=standalone, trust=trust),
    ).run()


def start_server_parts(
    options: ProcessOptions, tls: TlsFolder, *, standalone: bool, trust: SenderAuthentication
) -> ServerParts:
    """Return the parts of one server process, created after the fork."""
    sys.setswitchinterval(SWITCH_SECONDS)
    api = None if standalone else connect(options.kubeconfig, options.context)
    parts = make_parts(options, "serve")
    listening = Event()
    checks: dict[str, Callable[[], bool]] = {
        "server": listening.is_set,
        "policy": lambda: parts.policies.current is not None,
        "audit log": lambda: parts.audit.is_writable,
        "certificate": lambda: is_current(tls, utc_now()),
    }
    checks |= start_policy_source(options, parts, api)
    tokens = AcceptedTokens()
    lookup: ClusterLookup = OfflineLookup()
    record_event: RecordEvent = discard_event  # without a cluster
    acting = ProcessIdentity(chart_accounts(options.own_namespace))
    if api is not None:
        record_event = start_event_recorder(api, parts.metrics)
        offer: Callable[[str], None] = tokens.offer_registered if trust.by_secret else lambda _: None
        learn = identity_refresher(acting, offer, options.own_namespace)
        lookup = start_cluster_lookup(options, parts, api, checks, record_event, learn)
        check_permissions(api, server_permissions(options.own_namespace, configmap_of(options.policy)))
    check = start_sender_check(trust, tokens, api, options.own_namespace, checks)
    start_status_server(options.status, checks, parts.metrics)
    handler = ReviewHandler(
        policies=parts.policies,
        audit=parts.audit,
        metrics=parts.metrics,
        lookup=lookup,
        own_namespace=options.own_namespace,
        record_event=record_event,
        acting=acting,
    )
    served = start_certificate(tls, parts.audit, parts.metrics)
    if trust.client_ca is not None:
        request_client_certificates(served.context, trust.client_ca)
    return ServerParts(
        handler, check, served, on_accepting=listening.set, on_drop=parts.metrics.connections_dropped.inc
    )


def start_certificate(tls: TlsFolder, audit: AuditLog, metrics: Metrics) -> CertificateReloader:
    """Return the certificate that is loaded from the folder; each loaded certificate is recorded."""

    def loaded(found: Certificate, why: Reason) -> None:
        metrics.certificate_expiry.set(found.expires.timestamp())
        append_record(audit, certificate_record(certificate_details(found), why=why, at=utc_now()))

    served = CertificateReloader(tls, on_load=loaded)
    served.start()
    return served


def certificate_details(found: Certificate) -> ServingCertificate:
    """Return the details of a certificate for a record."""
    return {
        "serial": f"{found.serial:x}",
        "fingerprint": found.fingerprint,
        "issuer": found.issuer,
        "names": sorted(found.names),
        "notBefore": timestamp(found.begins),
        "notAfter": timestamp(found.expires),
    }


def start_event_recorder(api: Api, metrics: Metrics) -> RecordEvent:
    """Start the recorder of Events for refusals and repairs."""
    series = EventSeriesRecorder(api, Reporter("catflap-server", socket.gethostname()), clock=monotonic)
    recorder = EventRecorder(series, metrics=metrics, now=utc_now)
    recorder.start()
    return recorder.record


def start_cluster_lookup(  # noqa: PLR0917 (each is of another type)
    options: ProcessOptions,
    parts: ProcessParts,
    api: Api,
    checks: dict[str, Callable[[], bool]],
    record_event: RecordEvent,
    learn: Callable[[Api], None],
) -> ApiServerLookup:
    """Start the lookup of cluster data; add its caches to the readiness checks."""
    namespaces = Watch(api, NAMESPACES)
    epoch = InstallRecord(api, own_namespace=options.own_namespace)
    lookout = ClusterInfoPoller(
        cluster_info_factory(api, parts.policies, server_isolation_since(epoch, api), learn),
        on_change=lambda _: None,
    )
    parts.policies.on_change(lambda _: lookout.poll_now())
    namespaces.start()
    lookout.start()
    checks["namespaces"] = lambda: namespaces.synced
    checks["cluster info"] = lambda: lookout.current is not None
    records = RetryQueue(parts.audit, on_lost=parts.metrics.audit_lost.inc)
    records.start()
    checks["delayed records"] = lambda: records.is_timely
    gate = IsolationGate(
        cached_namespace=namespaces.get,
        cluster_info=lambda: lookout.current,
        records=records,
        metrics=parts.metrics,
        own_namespace=options.own_namespace,
        now=utc_now,
        record_event=record_event,
    )
    impact = PolicyImpactAnalyzer(
        namespaces=namespaces.objects, epoch=epoch, own_namespace=options.own_namespace, now=utc_now
    )
    return ApiServerLookup(api, epoch=epoch, gate=gate, impact=impact)
