"""Builds and runs the controller process."""

import socket
from collections.abc import Mapping
from threading import Event
from uuid import uuid4

from webhook.audit.record import leader_record, utc_now
from webhook.bootstrap.cluster_info import (
    check_permissions,
    cluster_info_factory,
    configmap_of,
    controller_isolation_since,
)
from webhook.bootstrap.parts import (
    ProcessOptions,
    ProcessParts,
    append_record,
    make_parts,
    start_policy_source,
    start_status_server,
)
from webhook.bootstrap.registration import RegistrationSetup, make_path_rotator, make_webhook_config_sync
from webhook.controller.admission_policy_sync import ValidatingAdmissionPolicySync
from webhook.controller.exception_expiry import ExceptionExpiry
from webhook.controller.leader_election import LEASE_NAME, LEASE_SECONDS, LeaderElector
from webhook.controller.loop import Controller, Follower
from webhook.controller.path_age import PathAgeReporter
from webhook.controller.reconcile import Reconciler
from webhook.controller.rejected_writes import RejectedWrites, reporting_followers
from webhook.controller.report_writer import ReportWriter
from webhook.controller.scanner import Scanner
from webhook.controller.webhook_config_sync import WebhookConfigSync
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, connect
from webhook.kube.dns_detection import NameServerDetector
from webhook.kube.events import post_invalid_install_record, post_name_servers_found, post_policy_file_refused
from webhook.kube.install_record import InstallRecord
from webhook.kube.lease import Lease
from webhook.kube.namespaces import NAMESPACES_PATH as NAMESPACES
from webhook.kube.permissions import controller_permissions
from webhook.kube.policy_cache import PolicyCache
from webhook.kube.watch import Watch
from webhook.model.reason import Reason
from webhook.server.shutdown import SHUTDOWN_SECONDS, exit_process, on_shutdown_signal, run_within


def make_followers(
    options: ProcessOptions, parts: ProcessParts, api: Api, recorder: WriteRecorder, registration: WebhookConfigSync
) -> Mapping[str, Follower]:
    """Return the followers of the policy file, wrapped to report rejected writes."""
    own, patient = options.own_namespace, api.with_long_timeout()
    written = reporting_followers(
        registration,
        ValidatingAdmissionPolicySync(
            patient, recorder=recorder, own_namespace=own, now=utc_now, acting=registration.acting
        ),
        rejected_writes=RejectedWrites(api, metrics=parts.metrics, own_namespace=own, now=utc_now),
    )
    return {**written, "/endings": ExceptionExpiry(api, metrics=parts.metrics, own_namespace=own, now=utc_now)}


def make_scanner(
    options: ProcessOptions, parts: ProcessParts, api: Api, recorder: WriteRecorder
) -> tuple[LeaderElector, Scanner]:
    """Return the scanner, and the leader election that decides whether this replica scans."""
    own, metrics = options.own_namespace, parts.metrics
    candidate = f"{socket.gethostname()}_{uuid4().hex[:8]}"  # a restarted container in its Pod is another candidate
    lease = Lease(api, namespace=own, name=LEASE_NAME, candidate=candidate, seconds=LEASE_SECONDS, now=utc_now)

    def changed(leads: bool, why: Reason) -> None:
        metrics.leads.set(leads)
        if not leads:
            metrics.forget_scan()
        append_record(
            parts.audit,
            leader_record(lease.identity, candidate=candidate, leads=leads, why=why, at=utc_now()),
        )

    leader = LeaderElector(lease, on_change=changed)
    scanner = Scanner(
        api,
        is_leader=lambda: leader.is_leader,
        policies=parts.policies,
        report_writer=ReportWriter(api, recorder=recorder, metrics=metrics, own_namespace=own, now=utc_now),
        metrics=metrics,
        own_namespace=own,
        now=utc_now,
    )
    return leader, scanner


def make_install_record(options: ProcessOptions, api: Api) -> InstallRecord:
    """Return the install record; an Event on it reports a record that cannot be true."""

    def trouble(space: str, what: str) -> None:
        post_invalid_install_record(api, space, what, utc_now())

    return InstallRecord(api, own_namespace=options.own_namespace, on_trouble=trouble)


def make_controller(
    options: ProcessOptions, parts: ProcessParts, api: Api, recorder: WriteRecorder, registration: WebhookConfigSync
) -> Controller:
    """Return the controller that isolates namespaces and runs the followers of the policy file."""
    standing, own = PolicyCache(api), options.own_namespace
    return Controller(
        namespaces=Watch(api, NAMESPACES),
        standing=standing,
        followers=make_followers(options, parts, api, recorder, registration),
        policies=parts.policies,
        reconciler=Reconciler(
            api=api,
            standing=standing,
            recorder=recorder,
            metrics=parts.metrics,
            own_namespace=own,
            now=utc_now,
        ),
        look=cluster_info_factory(
            api,
            parts.policies,
            controller_isolation_since(make_install_record(options, api), api),
            name_servers=NameServerDetector(
                api, on_change=lambda found: post_name_servers_found(api, own, found, utc_now())
            ).look,
        ),
        metrics=parts.metrics,
    )


def run_controller(options: ProcessOptions, registering: RegistrationSetup) -> None:
    """Run the controller until a signal stops it."""
    api = connect(options.kubeconfig, options.context)
    parts = make_parts(
        options,
        "controller",
        on_refusal=lambda faults: post_policy_file_refused(api, options.own_namespace, faults, utc_now()),
    )
    recorder = WriteRecorder(parts.audit, utc_now, on_lost=parts.metrics.audit_lost.inc)
    leader, scanner = make_scanner(options, parts, api, recorder)
    age = PathAgeReporter(
        api, metrics=parts.metrics, own_namespace=options.own_namespace, now=utc_now, schedule=registering.schedule
    )
    rotator = make_path_rotator(options, api, recorder, lambda: leader.is_leader, registering, age)
    registration = make_webhook_config_sync(
        options, parts, api, recorder, lambda: leader.is_leader, registering, rotator
    )
    controller = make_controller(options, parts, api, recorder, registration)
    parts.policies.on_change(lambda _: controller.policy_changed())
    parts.policies.on_change(lambda _: scanner.scan_soon())
    stopped = Event()
    on_shutdown_signal(lambda *_: stopped.set())  # before the first record: from here on the chain gets its stop record
    checks = {
        "controller": lambda: controller.ready,
        "audit log": lambda: recorder.ready,
        "registration": lambda: registration.is_healthy,
        "secret-path": lambda: age.is_rotated_in_time,
    }
    check_permissions(api, controller_permissions(options.own_namespace, configmap_of(options.policy)))
    start_status_server(options.status, checks | start_policy_source(options, parts, api), parts.metrics)
    rotator.on_registered = registration.wake
    started = (recorder, rotator, controller, leader, scanner)
    for part in started:
        part.start()
    stopped.wait()
    run_within(SHUTDOWN_SECONDS, *(part.stop for part in started))
    parts.audit.stop()
    exit_process()
