"""The controller."""

import socket
from collections.abc import Mapping
from threading import Event
from uuid import uuid4

from webhook.audit.record import leader_record, utc_now
from webhook.bootstrap.looking import check_rights, in_cluster, look_around, recorded
from webhook.bootstrap.parts import Common, Parts, make_parts, note, start_policy, start_status
from webhook.bootstrap.registering import Registering, make_rotating, registered
from webhook.controller.endings import Endings
from webhook.controller.following import Registered
from webhook.controller.leader import LEASE, LEASE_SECONDS, Leader
from webhook.controller.loop import Controller, Follower
from webhook.controller.path_age import PathAge
from webhook.controller.reconcile import Reconciler
from webhook.controller.recording import Recording
from webhook.controller.refusals import Refusals, telling
from webhook.controller.reporting import Reporting
from webhook.controller.scanning import Scanner
from webhook.controller.twinned import Twinned
from webhook.kube.api import Api, connect
from webhook.kube.epoch import Epoch
from webhook.kube.events import bad_record, found_servers, refused_file
from webhook.kube.lease import Lease
from webhook.kube.name_servers import NameServers
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.rights import controller_rights
from webhook.kube.standing import Standing
from webhook.kube.watch import Watch
from webhook.model.reason import Reason
from webhook.server.shutdown import SHUTDOWN_SECONDS, exit_process, on_shutdown_signal, run_within


def followers(
    common: Common, parts: Parts, api: Api, recording: Recording, registration: Registered
) -> Mapping[str, Follower]:
    """What is kept as the policy file says, beyond namespaces; what the API server refuses of it is told."""
    own, patient = common.own_namespace, api.patient()
    written = telling(
        registration,
        Twinned(patient, recording=recording, own_namespace=own, now=utc_now, acting=registration.acting),
        refusals=Refusals(api, metrics=parts.metrics, own_namespace=own, now=utc_now),
    )
    return {**written, "/endings": Endings(api, metrics=parts.metrics, own_namespace=own, now=utc_now)}


def make_scanner(common: Common, parts: Parts, api: Api, recording: Recording) -> tuple[Leader, Scanner]:
    """What scans, and what finds out whether it is this replica that does."""
    own, metrics = common.own_namespace, parts.metrics
    candidate = f"{socket.gethostname()}_{uuid4().hex[:8]}"  # a container that starts anew in its Pod is another one
    lease = Lease(api, namespace=own, name=LEASE, candidate=candidate, seconds=LEASE_SECONDS, now=utc_now)

    def changed(leads: bool, why: Reason) -> None:
        metrics.leads.set(leads)
        if not leads:
            metrics.forget_scan()
        note(
            parts.audit,
            leader_record(lease.identity, candidate=candidate, leads=leads, why=why, at=utc_now()),
        )

    leader = Leader(lease, on_change=changed)
    scanner = Scanner(
        api,
        leads=lambda: leader.leads,
        policies=parts.policies,
        reporting=Reporting(api, recording=recording, metrics=metrics, own_namespace=own, now=utc_now),
        metrics=metrics,
        own_namespace=own,
        now=utc_now,
    )
    return leader, scanner


def watched_epoch(common: Common, api: Api) -> Epoch:
    """The record of the installation; an Event on it reports one that cannot be true."""

    def trouble(space: str, what: str) -> None:
        bad_record(api, space, what, utc_now())

    return Epoch(api, own_namespace=common.own_namespace, on_trouble=trouble)


def make_controller(
    common: Common, parts: Parts, api: Api, recording: Recording, registration: Registered
) -> Controller:
    """What isolates namespaces, and keeps what else follows the policy file."""
    standing, own = Standing(api), common.own_namespace
    return Controller(
        namespaces=Watch(api, NAMESPACES),
        standing=standing,
        followers=followers(common, parts, api, recording, registration),
        policies=parts.policies,
        reconciler=Reconciler(
            api=api,
            standing=standing,
            recording=recording,
            metrics=parts.metrics,
            own_namespace=own,
            now=utc_now,
        ),
        look=look_around(
            api,
            parts.policies,
            recorded(watched_epoch(common, api), api),
            name_servers=NameServers(api, on_change=lambda found: found_servers(api, own, found, utc_now())).look,
        ),
        metrics=parts.metrics,
    )


def control(common: Common, registering: Registering) -> None:
    """Run the controller until it is told to stop."""
    api = connect(common.kubeconfig, common.context)
    parts = make_parts(
        common,
        "controller",
        on_refusal=lambda faults: refused_file(api, common.own_namespace, faults, utc_now()),
    )
    recording = Recording(parts.audit, utc_now, on_lost=parts.metrics.audit_lost.inc)
    leader, scanner = make_scanner(common, parts, api, recording)
    age = PathAge(api, metrics=parts.metrics, own_namespace=common.own_namespace, now=utc_now, pace=registering.pace)
    rotating = make_rotating(common, api, recording, lambda: leader.leads, registering, age)
    registration = registered(common, parts, api, recording, lambda: leader.leads, registering, rotating)
    controller = make_controller(common, parts, api, recording, registration)
    parts.policies.on_change(lambda _: controller.policy_changed())
    parts.policies.on_change(lambda _: scanner.scan_soon())
    stopped = Event()
    on_shutdown_signal(lambda *_: stopped.set())  # before the first record: from here on the chain gets its stop record
    checks = {
        "controller": lambda: controller.ready,
        "audit log": lambda: recording.ready,
        "registration": lambda: registration.sound,
        "secret-path": lambda: age.sound,
    }
    check_rights(api, controller_rights(common.own_namespace, in_cluster(common.policy)))
    start_status(common.status, checks | start_policy(common, parts, api), parts.metrics)
    rotating.on_registered = registration.wake
    started = (recording, rotating, controller, leader, scanner)
    for part in started:
        part.start()
    stopped.wait()
    run_within(SHUTDOWN_SECONDS, *(part.stop for part in started))
    parts.audit.stop()
    exit_process()
