"""The webhook server."""

import socket
import sys
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Final

from webhook.audit.log import AuditLog
from webhook.audit.owed import OwedRecords
from webhook.audit.record import certificate_record, stamp, utc_now
from webhook.audit.schema import ServingCertificate
from webhook.bootstrap.looking import check_rights, in_cluster, learn_registered, look_around, on_record
from webhook.bootstrap.parts import Address, Common, Parts, make_parts, note, start_policy, start_status
from webhook.bootstrap.trusting import Trust, start_check
from webhook.kube.api import Api, connect
from webhook.kube.epoch import Epoch
from webhook.kube.events import Reporter
from webhook.kube.identity import Acting
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.rights import server_rights
from webhook.kube.series import Series
from webhook.kube.surroundings import Lookout
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
from webhook.tls.authority import Certificate
from webhook.tls.clients import ask_for_certificates
from webhook.tls.folder import Served, TlsFolder, is_current

# While a thread computes, the event loop waits for so long each time that it wants the interpreter, some six times a review. By
# Python's own 5 ms the median review took 24 ms beside one that computes, by this 3 ms, at the same throughput.
SWITCH_SECONDS: Final = 0.0002


def serve(common: Common, listen: Address, *, tls: TlsFolder, worker: str, standalone: bool, trust: Trust) -> None:
    """Run the webhook server until it is told to stop."""
    GunicornServer(
        ListenOptions(listen.host, listen.port, worker),
        folder=tls,
        make_parts=lambda: start_serving(common, tls, standalone=standalone, trust=trust),
    ).run()


def start_serving(common: Common, tls: TlsFolder, *, standalone: bool, trust: Trust) -> ServerParts:
    """The parts of one serving process, made after the fork."""
    sys.setswitchinterval(SWITCH_SECONDS)
    api = None if standalone else connect(common.kubeconfig, common.context)
    parts = make_parts(common, "serve")
    listening = Event()
    checks: dict[str, Callable[[], bool]] = {
        "server": listening.is_set,
        "policy": lambda: parts.policies.current is not None,
        "audit log": lambda: parts.audit.writable,
        "certificate": lambda: is_current(tls, utc_now()),
    }
    checks |= start_policy(common, parts, api)
    tokens = AcceptedTokens()
    lookup: ClusterLookup = OfflineLookup()
    record_event: RecordEvent = discard_event  # where there is no cluster
    acting = Acting(chart_accounts(common.own_namespace))
    if api is not None:
        record_event = start_announcing(api, parts.metrics)
        offer: Callable[[str], None] = tokens.offer_registered if trust.by_secret else lambda _: None
        learn = learn_registered(acting, offer, common.own_namespace)
        lookup = start_asking(common, parts, api, checks, record_event, learn)
        check_rights(api, server_rights(common.own_namespace, in_cluster(common.policy)))
    check = start_check(trust, tokens, api, common.own_namespace, checks)
    start_status(common.status, checks, parts.metrics)
    handler = ReviewHandler(
        policies=parts.policies,
        audit=parts.audit,
        metrics=parts.metrics,
        lookup=lookup,
        own_namespace=common.own_namespace,
        record_event=record_event,
        acting=acting,
    )
    served = start_showing(tls, parts.audit, parts.metrics)
    if trust.client_ca is not None:
        ask_for_certificates(served.context, trust.client_ca)
    return ServerParts(
        handler, check, served, on_accepting=listening.set, on_drop=parts.metrics.connections_dropped.inc
    )


def start_showing(tls: TlsFolder, audit: AuditLog, metrics: Metrics) -> Served:
    """The certificate, whatever pair the folder holds; each one is on record."""

    def loaded(found: Certificate, why: Reason) -> None:
        metrics.certificate_expiry.set(found.expires.timestamp())
        note(audit, certificate_record(serving_certificate(found), why=why, at=utc_now()))

    served = Served(tls, on_load=loaded)
    served.start()
    return served


def serving_certificate(found: Certificate) -> ServingCertificate:
    """A certificate as records tell it."""
    return {
        "serial": f"{found.serial:x}",
        "fingerprint": found.fingerprint,
        "issuer": found.issuer,
        "names": sorted(found.names),
        "notBefore": stamp(found.begins),
        "notAfter": stamp(found.expires),
    }


def start_announcing(api: Api, metrics: Metrics) -> RecordEvent:
    """What tells of refusals and repairs by Events."""
    series = Series(api, Reporter("catflap-server", socket.gethostname()), clock=monotonic)
    recorder = EventRecorder(series, metrics=metrics, now=utc_now)
    recorder.start()
    return recorder.record


def start_asking(  # noqa: PLR0917 (each is of another type)
    common: Common,
    parts: Parts,
    api: Api,
    checks: dict[str, Callable[[], bool]],
    record_event: RecordEvent,
    learn: Callable[[Api], None],
) -> ApiServerLookup:
    """What answers questions about the cluster; its caches are added to the checks of readiness."""
    namespaces = Watch(api, NAMESPACES)
    epoch = Epoch(api, own_namespace=common.own_namespace)
    lookout = Lookout(
        look_around(api, parts.policies, on_record(epoch, api), learn),
        on_change=lambda _: None,
    )
    parts.policies.on_change(lambda _: lookout.look_now())
    namespaces.start()
    lookout.start()
    checks["namespaces"] = lambda: namespaces.synced
    checks["surroundings"] = lambda: lookout.current is not None
    records = OwedRecords(parts.audit, on_lost=parts.metrics.audit_lost.inc)
    records.start()
    checks["owed records"] = lambda: records.timely
    gate = IsolationGate(
        cached_namespace=namespaces.get,
        cluster_info=lambda: lookout.current,
        records=records,
        metrics=parts.metrics,
        own_namespace=common.own_namespace,
        now=utc_now,
        record_event=record_event,
    )
    impact = PolicyImpactAnalyzer(
        namespaces=namespaces.objects, epoch=epoch, own_namespace=common.own_namespace, now=utc_now
    )
    return ApiServerLookup(api, epoch=epoch, gate=gate, impact=impact)
