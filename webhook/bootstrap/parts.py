"""The options and parts that the server and the controller share."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from webhook.audit.log import DEFAULT_CONFIG, AuditLog
from webhook.audit.log_config import LogConfig, LogObserver
from webhook.audit.record import configuration_record, utc_now
from webhook.audit.sink import AuditLogUnwritable
from webhook.bootstrap.policy_file_presence import PolicyFilePresence
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded
from webhook.config.source import ConfigMapRef, PolicyFile
from webhook.config.store import PolicyStore
from webhook.kube.api import Api, Json
from webhook.kube.events import post_policy_file_missing
from webhook.kube.paths import collection, name_selector
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.names import DEFAULT_NAMESPACE, POLICY_CONFIGMAP_KEY
from webhook.server.status_server import Checks, create_status_app, serve_status

logger = logging.getLogger(__name__)


class BindAddress(Struct, frozen=True):
    """The address on which a port is opened."""

    host: str
    port: int


class ProcessOptions(Struct, frozen=True):
    """The options that `serve` and `controller` share."""

    policy: Path | ConfigMapRef
    status: BindAddress
    kubeconfig: str | None
    audit_log: str | None
    audit_key: Path | None = None
    log_config: LogConfig = DEFAULT_CONFIG
    context: str | None = None

    @property
    def own_namespace(self) -> str:
        """Return catflap's own namespace: from the Pod's environment, else the namespace of the policy's ConfigMap."""
        told = os.environ.get("POD_NAMESPACE")
        return told or (self.policy.namespace if isinstance(self.policy, ConfigMapRef) else DEFAULT_NAMESPACE)


class ProcessParts(Struct, frozen=True):
    """The parts that the server and the controller share."""

    audit: AuditLog
    metrics: Metrics
    policies: PolicyStore


def make_parts(
    options: ProcessOptions, process: str, *, on_refusal: Callable[[str], None] = lambda _: None
) -> ProcessParts:
    """Return the connected audit log, metrics and policy store; `on_refusal` receives the faults of a rejected file."""
    metrics = Metrics(process)
    audit = AuditLog(
        options.audit_log,
        process=process,
        root=options.audit_key,
        config=options.log_config,
        observer=audit_observer(metrics),
    )
    audit.start()

    def record(**what: Any) -> None:
        append_record(audit, configuration_record(**what, at=utc_now()))

    def in_force(loaded: Loaded) -> None:
        logger.info("policy %s is in force", loaded.digest)
        for warning in loaded.warnings:
            logger.warning("policy file%s: %s", line_of(warning), warning)
        metrics.policy.info({"digest": loaded.digest})
        record(accepted=True, faults=[], policy_digest=loaded.digest)

    def refused(bad: BadPolicy) -> None:
        metrics.policy_load_failures.inc()
        faults = [str(fault) for fault in bad.faults]
        logger.error("the policy file is invalid, and the last valid policy stays in force:\n%s", "\n".join(faults))
        current = policies.current
        record(accepted=False, faults=faults, policy_digest=current.digest if current else "")
        on_refusal("; ".join(faults))

    policies = PolicyStore(on_refusal=refused)
    policies.on_change(in_force)
    return ProcessParts(audit=audit, metrics=metrics, policies=policies)


def line_of(warning: PolicyFault) -> str:
    """Return where a warning is in the policy file, as a part of a sentence."""
    return f", line {warning.place.line}, column {warning.place.column}" if warning.place else ""


def append_record(audit: AuditLog, record: Mapping[str, Any]) -> None:
    """Append a record of something that already happened; if the log is not writable, later requests are refused for that reason."""
    try:
        audit.append(record)
    except AuditLogUnwritable as bad:
        logger.error("cannot write the record of type %s: %s", record["type"], bad)  # noqa: TRY400 (the disk's state)


def audit_observer(metrics: Metrics) -> LogObserver:
    """Return the observer that counts events of the audit log."""
    return LogObserver(
        failed=metrics.audit_failures.inc,
        lost=metrics.audit_lost.inc,
        stdout_dropped=metrics.audit_stdout_dropped.inc,
        queued=metrics.audit_queued.set,
        synced=metrics.audit_sync_seconds.observe,
    )


def start_policy_source(options: ProcessOptions, parts: ProcessParts, api: Api | None) -> dict[str, Callable[[], bool]]:
    """Read the policy continually, from a file or a ConfigMap; return additional readiness checks by their failure message."""
    source, policies = options.policy, parts.policies
    if isinstance(source, Path):
        PolicyFile(source, policies).start()
        return {}
    assert api is not None
    watch = Watch(
        api,
        collection("v1", "configmaps", source.namespace),
        query={"fieldSelector": name_selector(source.name)},
    )

    def changed(found: Json) -> None:
        policies.offer((found.get("data") or {}).get(POLICY_CONFIGMAP_KEY, ""))

    def missing(trouble: str) -> None:
        parts.metrics.policy_file_missing.set(bool(trouble))
        if trouble:
            post_policy_file_missing(api, source.namespace, trouble, utc_now())

    presence = PolicyFilePresence(source, watch, in_force=lambda: policies.current is not None, on_change=missing)
    watch.on_change(changed)
    watch.start()
    presence.start()
    return {f"ConfigMap {presence.key} is missing": lambda: not presence.trouble or policies.current is not None}


def start_status_server(address: BindAddress, checks: Checks, metrics: Metrics) -> None:
    """Open the status port."""
    serve_status(create_status_app(checks, metrics.registry), address.host, address.port)
