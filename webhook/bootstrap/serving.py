"""The webhook server."""

import socket
from collections.abc import Callable
from time import monotonic

from webhook.audit.record import utc_now
from webhook.bootstrap.looking import look_around, on_record
from webhook.bootstrap.parts import Address, Common, Parts, make_parts, start_policy, start_status
from webhook.kube.api import Api, connect
from webhook.kube.epoch import Epoch
from webhook.kube.events import Reporter
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.series import Series
from webhook.kube.surroundings import Lookout
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.server.announcing import Announce, Announcer, nobody
from webhook.server.answer import Answerer, Cluster
from webhook.server.asking import ClusterToAsk, NoClusterToAsk
from webhook.server.foresight import Foresight
from webhook.server.gate import Gate
from webhook.server.serving import Listening, Server
from webhook.tls.folder import TlsFolder, is_current


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
    cluster: Cluster = NoClusterToAsk()
    announce: Announce = nobody  # where there is no cluster
    if api is not None:
        announce = start_announcing(api, parts.metrics)
        cluster = start_asking(common, parts, api, checks, announce)
    start_status(common.status, checks, parts.metrics)
    return Answerer(
        policies=parts.policies,
        audit=parts.audit,
        metrics=parts.metrics,
        cluster=cluster,
        own_namespace=common.own_namespace,
        announce=announce,
    )


def start_announcing(api: Api, metrics: Metrics) -> Announce:
    """What tells of refusals and repairs by Events."""
    series = Series(api, Reporter("catflap-server", socket.gethostname()), clock=monotonic)
    announcer = Announcer(series, metrics=metrics, now=utc_now)
    announcer.start()
    return announcer.announce


def start_asking(
    common: Common, parts: Parts, api: Api, checks: dict[str, Callable[[], bool]], announce: Announce
) -> ClusterToAsk:
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
        announce=announce,
    )
    foresight = Foresight(namespaces=namespaces.objects, epoch=epoch, own_namespace=common.own_namespace, now=utc_now)
    return ClusterToAsk(api, epoch=epoch, gate=gate, foresight=foresight)
