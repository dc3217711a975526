"""One decision, or one write, as a record.

Names follow the API server's own audit events (audit.k8s.io/v1) where they mean the same. It is `decision`, not
result: a later webhook, a quota or a conflict may still refuse what we let pass. Never whole objects, never values
other than the labels that a rule speaks of.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from webhook.audit.schema import (
    CertificateRecord,
    ConfigurationRecord,
    DecisionRecord,
    Fault,
    LeaderRecord,
    ManifestRef,
    ObjectRef,
    ServingCertificate,
    WriteRecord,
)
from webhook.model.decision import Decision, Phase
from webhook.model.request import Request
from webhook.model.rule import Violation


def decision_record(
    phase: Phase, request: Request, decision: Decision, *, policy_digest: str, at: datetime, microseconds: int
) -> DecisionRecord:
    """The record of one answer; `microseconds` is what it took."""
    record: DecisionRecord = {
        "type": "decision",
        "time": stamp(at),
        "id": request.uid,
        "phase": phase,
        "senderAuthentication": request.authentication,
        "user": {"username": request.user.name, "groups": request.user.groups},
        "verb": request.operation.lower(),
        "objectRef": object_ref(request),
        "dryRun": request.dry_run,
        "decision": decision.verdict,
        "policyDigest": policy_digest,
        "latencyMicroseconds": microseconds,
    }
    if decision.reason:
        record["reason"] = decision.reason
    if decision.denied:
        record["denied"] = [fault(violation) for violation in decision.denied]
    if decision.warned:
        record["warned"] = [fault(violation) for violation in decision.warned]
    if decision.audited:
        record["audited"] = [fault(violation) for violation in decision.audited]
    if decision.closure is not None:
        record["closure"] = decision.closure
    if decision.labels:
        record["patchedLabels"] = dict(decision.labels)
    return record


def object_ref(request: Request) -> ObjectRef:
    """Which object, by reference; empty parts are left out, and a generated name keeps its star."""
    target = request.target
    name = target.name or (request.workload.name if request.workload else "")
    parts: ObjectRef = {
        "apiGroup": target.group,
        "apiVersion": target.version,
        "resource": target.resource,
        "subresource": target.subresource,
        "namespace": target.namespace,
        "name": name,
    }
    return cast("ObjectRef", {key: value for key, value in parts.items() if value})


def fault(violation: Violation) -> Fault:
    """A fault: which rule, where, in words."""
    return {"rule": violation.rule, "path": violation.path, "message": violation.message}


def write_record(
    manifest: Mapping[str, Any], *, reason: str, policy_digest: str, at: datetime, verb: str = "apply"
) -> WriteRecord:
    """The record of one write of ours to the cluster, by what was written and why."""
    return {
        "type": "write",
        "time": stamp(at),
        "verb": verb,
        "objectRef": manifest_ref(manifest),
        "reason": reason,
        "policyDigest": policy_digest,
    }


def manifest_ref(manifest: Mapping[str, Any]) -> ManifestRef:
    """Which object a manifest is of."""
    metadata = manifest["metadata"]
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }


def configuration_record(*, accepted: bool, faults: list[str], policy_digest: str, at: datetime) -> ConfigurationRecord:
    """The record of a policy file that came into force, or that was refused with these faults."""
    record: ConfigurationRecord = {
        "type": "configuration",
        "time": stamp(at),
        "accepted": accepted,
        "policyDigest": policy_digest,
    }
    if not accepted:
        record["faults"] = faults
    return record


def certificate_record(serving: ServingCertificate, *, reason: str, at: datetime) -> CertificateRecord:
    """The record of a serving certificate that came into use, and why."""
    return {"type": "certificate", "time": stamp(at), "serving": serving, "reason": reason}


def leader_record(lease: Mapping[str, Any], *, candidate: str, leads: bool, reason: str, at: datetime) -> LeaderRecord:
    """The record of a replica that began, or ceased, to hold a Lease, by the Lease's manifest."""
    return {
        "type": "leader",
        "time": stamp(at),
        "objectRef": manifest_ref(lease),
        "candidate": candidate,
        "leads": leads,
        "reason": reason,
    }


def utc_now() -> datetime:
    """The time of a record."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """A point in time as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
