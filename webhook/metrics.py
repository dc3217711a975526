"""The metrics; label values come from closed sets only.

docs/metrics.md lists every metric with the process that exports it.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from webhook import __version__
from webhook.admission import binding, namespace_labels, policy_file, policy_protection
from webhook.former_metrics import RegistryWithFormerNames
from webhook.model.decision import Decision, Verdict
from webhook.rules import RULES

# From a third of the duration of a decision to the longest timeout that the API server permits for a webhook.
LATENCY_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5, 10)
# A repair takes less than a second; a repair that takes minutes is an outage.
REPAIR_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300)
# From a disk with its own cache to a disk that delays the webhook.
SYNC_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
PHASES = ("validate", "mutate")
REGISTERED_PHASES = ("validating", "mutating")
# The outcomes of an Event: posted, merged into an existing Event, rate-limited, not queued because the queue is full,
# rejected by the API server.
EVENTS = ("created", "counted", "limited", "dropped", "failed")
REPORT_OUTCOMES = ("created", "updated", "removed")
# No caller that may send reviews; too slow; too large; no JSON; no room.
BAD_REVIEWS = (400, 401, 408, 413, 415, 503)
SERVER, CONTROLLER = "serve", "controller"  # the processes, by their verbs
CUSTOM = "custom"  # replaces the id of each custom rule in the policy file
IN_FORCE, ENDING, ENDED = "in-force", "ending", "ended"  # of an exception; `ending` is within a week


REGISTRATION, COPY = (
    "registration",
    "validating-admission-policy",
)  # what catflap writes so that the API server follows the policy file
FOLLOWING = (REGISTRATION, COPY)
# The ids that label the count of violations. A policy file may have any number of custom rules, so these share one id.
VIOLATED: Final = frozenset(
    {*RULES, policy_protection.PROTECTION, namespace_labels.PROTECTION, binding.PROTECTION, policy_file.PROTECTION}
)
EFFECTS: Final = ("denied", "warned", "audited")


class Metrics:
    """The metrics of one process, in their own registry.

    With `process`, only the metrics of that process are exported; without it, all are. Code may also set metrics that
    the process does not export, because both processes share code.
    """

    def __init__(self, process: str | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter and histogram, that says when it began
        self.registry: CollectorRegistry = RegistryWithFormerNames()
        unexported = CollectorRegistry()
        self._of_server = unexported if process == CONTROLLER else self.registry
        self._of_controller = unexported if process == SERVER else self.registry
        ProcessCollector(registry=self.registry)
        Info("catflap_build", "The running release", registry=self.registry).info({"version": __version__})
        self._count_decisions()
        self.policy_load_failures = Counter(
            "catflap_policy_load_failures_total", "Policy files that were rejected", registry=self.registry
        )
        self.policy = Info("catflap_policy", "The policy file in force", registry=self.registry)
        self.exceptions = Gauge(
            "catflap_exceptions", "Exceptions in the policy file", ["state"], registry=self._of_controller
        )
        self._show_registration()
        self._count_events()
        self._count_policies()
        self._count_records()
        self._count_what_stands()

    def _count_decisions(self) -> None:
        decisions = Counter(
            "catflap_decisions_total", "Admission requests answered", ["phase", "decision"], registry=self._of_server
        )
        self.decisions = {(phase, verdict): decisions.labels(phase, verdict) for phase in PHASES for verdict in Verdict}
        latency = Histogram(
            "catflap_decision_seconds",
            "Time from the complete request body to the complete answer",
            ["phase"],
            buckets=LATENCY_BUCKETS,
            registry=self._of_server,
        )
        self.latency = {phase: latency.labels(phase) for phase in PHASES}
        bad_reviews = Counter(
            "catflap_bad_reviews_total",
            "Calls rejected before a decision",
            ["status"],
            registry=self._of_server,
        )
        self.bad_reviews = {status: bad_reviews.labels(status) for status in BAD_REVIEWS}
        self._violations = Counter(
            "catflap_violations_total",
            "Violations found in requests, by rule and effect",
            ["rule", "effect"],
            registry=self._of_server,
        )
        self.certificate_expiry = Gauge(
            "catflap_certificate_expiry_timestamp_seconds",
            "When the serving certificate ends; 0 before the first one is loaded",
            registry=self._of_server,
        )
        for rule in (*sorted(VIOLATED), CUSTOM):
            for effect in EFFECTS:
                self._violations.labels(rule, effect)

    def found(self, decision: Decision) -> None:
        """Count the violations of a decision by rule; a custom rule counts as `custom`."""
        for effect, faults in zip(EFFECTS, (decision.denied, decision.warned, decision.audited), strict=True):
            for fault in faults:
                self._violations.labels(fault.rule if fault.rule in VIOLATED else CUSTOM, effect).inc()

    def _show_registration(self) -> None:
        sync_failed = Gauge(
            "catflap_policy_sync_failed",
            "Whether the API server rejects what catflap writes for the policy file",
            ["object"],
            registry=self._of_controller,
        )
        self.sync_failed = {name: sync_failed.labels(name) for name in FOLLOWING}
        registered = Gauge(
            "catflap_registered",
            "Whether the webhook configuration exists",
            ["phase"],
            registry=self._of_controller,
        )
        weakened = Gauge(
            "catflap_registration_weakened",
            "Whether another component keeps changing the webhook configuration",
            ["phase"],
            registry=self._of_controller,
        )
        self.path_age = Gauge(
            "catflap_webhook_path_age_seconds",
            "Time for which the secret path of reviews has been registered; 0 without a secret path",
            registry=self._of_controller,
        )
        self.registered = {phase: registered.labels(phase) for phase in REGISTERED_PHASES}
        self.weakened = {phase: weakened.labels(phase) for phase in REGISTERED_PHASES}

        self.connections_dropped = Counter(
            "catflap_connections_dropped_total",
            "Connections to the webhook's port that were dropped because of a limit of number or time",
            registry=self._of_server,
        )

    def _count_records(self) -> None:
        self.audit_failures = Counter(
            "catflap_audit_failures_total", "Audit records that could not be written or synced", registry=self.registry
        )
        self.audit_lost = Counter(
            "catflap_audit_lost_total",
            "Audit records that were lost: of requests that were admitted nevertheless, and of catflap's own writes",
            registry=self.registry,
        )
        self.audit_stdout_dropped = Counter(
            "catflap_audit_stdout_dropped_total",
            "Audit records that are in the file and not on standard output",
            registry=self.registry,
        )
        self.audit_queued = Gauge(
            "catflap_audit_queue_bytes", "Size of the queue of audit records (best effort)", registry=self.registry
        )
        self.audit_sync_seconds = Histogram(
            "catflap_audit_sync_seconds",
            "Duration of one sync of the audit log to the disk",
            buckets=SYNC_BUCKETS,
            registry=self.registry,
        )

    def _count_events(self) -> None:
        events = Counter(
            "catflap_events_total",
            "Kubernetes Events about rejections, by outcome",
            ["outcome"],
            registry=self._of_server,
        )
        self.events = {told: events.labels(told) for told in EVENTS}

    def _count_policies(self) -> None:
        self.policy_file_missing = Gauge(
            "catflap_policy_file_missing",
            "Whether the ConfigMap with the policy file is missing",
            registry=self.registry,
        )
        self.policies_written = Counter(
            "catflap_policies_written_total", "Network policies written", ["outcome"], registry=self.registry
        )
        self.not_repaired = Gauge(
            "catflap_not_repaired",
            "Policies or namespaces that the controller cannot repair",
            registry=self._of_controller,
        )
        self.early_pods = Counter(
            "catflap_pods_before_isolation_total",
            "Pods that ran in a namespace before its default-deny policy was written, although catflap is older",
            registry=self._of_controller,
        )
        self.reconcile_failures = Counter(
            "catflap_reconcile_failures_total",
            "Namespaces that could not be isolated at the first try",
            registry=self._of_controller,
        )
        self.isolation_delay = Histogram(
            "catflap_namespace_isolation_delay_seconds",
            "Time from the controller's first read of a managed namespace without its default-deny policy to the write of the policy",
            buckets=REPAIR_BUCKETS,
            registry=self._of_controller,
        )
        self.workqueue_depth = Gauge(
            "catflap_workqueue_depth",
            "Namespaces and objects that the controller handles, or that are due and wait for it",
            registry=self._of_controller,
        )
        self.managed_namespaces = Gauge(
            "catflap_managed_namespaces", "Namespaces that catflap isolates", registry=self._of_controller
        )

    def _count_what_stands(self) -> None:
        self.leads = Gauge(
            "catflap_leader",
            "Whether this replica is the leader, which scans, reports and changes the secret path",
            registry=self._of_controller,
        )
        self.scan_objects = Gauge(
            "catflap_scan_objects", "Objects that the last scan read", registry=self._of_controller
        )
        self.scan_violations = Gauge(
            "catflap_scan_violations",
            "Owners with violations at the last scan, by rule and by the effect if a user created the object now",
            ["rule", "effect"],
            registry=self._of_controller,
        )
        self.scan_seconds = Gauge("catflap_scan_seconds", "Duration of the last scan", registry=self._of_controller)
        self.scan_completed = Gauge(
            "catflap_scan_completed_timestamp_seconds",
            "When the last scan was completed; 0 if another replica scans",
            registry=self._of_controller,
        )
        self.scan_policy = Gauge(
            "catflap_scan_policy_info",
            "The policy file that the last scan used",
            ["digest"],
            registry=self._of_controller,
        )
        self.scan_failures = Counter(
            "catflap_scan_failures_total", "Scans that were not completed", registry=self._of_controller
        )
        written = Counter(
            "catflap_reports_written_total", "Reports written after scans", ["outcome"], registry=self._of_controller
        )
        self.reports_written = {outcome: written.labels(outcome) for outcome in REPORT_OUTCOMES}

    def forget_scan(self) -> None:
        """Remove the results of the last scan: another replica does the next scans."""
        self.scan_violations.clear()
        self.scan_policy.clear()
        for gauge in (self.scan_objects, self.scan_seconds, self.scan_completed):
            gauge.set(0)
