"""Make the record of one decision or one write.

Names follow the API server's own audit events (audit.k8s.io/v1) if they mean the same. The field is `decision`, not
result: a later webhook, a quota or a conflict may still refuse what catflap admits. A record never has whole objects,
or values other than the labels that a rule names.
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
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.rule import Violation


def decision_record(
    phase: Phase, request: Request, decision: Decision, *, policy_digest: str, at: datetime, microseconds: int
) -> DecisionRecord:
    """Return the record of one answer; `microseconds` is the duration."""
    record: DecisionRecord = {
        "type": "decision",
        "time": timestamp(at),
        "id": request.uid,
        "phase": phase,
        "senderAuthentication": request.authentication,
        "user": {"username": request.user.name, "groups": request.user.groups},
        "verb": request.operation.lower(),
        "objectRef": object_ref(request),
        "dryRun": request.dry_run,
        "decision": decision.verdict,
        "reasonCode": decision.why.code,
        "policyDigest": policy_digest,
        "latencyMicroseconds": microseconds,
    }
    if decision.reason:
        record["reason"] = decision.reason
    if decision.denied:
        record["denied"] = [violation_fields(violation) for violation in decision.denied]
    if decision.warned:
        record["warned"] = [violation_fields(violation) for violation in decision.warned]
    if decision.audited:
        record["audited"] = [violation_fields(violation) for violation in decision.audited]
    if decision.isolation is not None:
        record["closure"] = decision.isolation
    if decision.labels:
        record["patchedLabels"] = dict(decision.labels)
    return record


def object_ref(request: Request) -> ObjectRef:
    """Return the reference to the object without empty parts; a generated name keeps its star."""
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


def violation_fields(violation: Violation) -> Fault:
    """Return a violation's rule, path and message."""
    return {"rule": violation.rule, "path": violation.path, "message": violation.message}


def write_record(
    manifest: Mapping[str, Any], *, why: Reason, policy_digest: str, at: datetime, verb: str = "apply"
) -> WriteRecord:
    """Return the record of one write by catflap to the cluster, with the reason."""
    return {
        "type": "write",
        "time": timestamp(at),
        "verb": verb,
        "objectRef": manifest_ref(manifest),
        "reasonCode": why.code,
        "reason": why.words,
        "policyDigest": policy_digest,
    }


def manifest_ref(manifest: Mapping[str, Any]) -> ManifestRef:
    """Return the reference to a manifest's object."""
    metadata = manifest["metadata"]
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }


def configuration_record(*, accepted: bool, faults: list[str], policy_digest: str, at: datetime) -> ConfigurationRecord:
    """Return the record of a policy file that came into force, or that was refused with these faults."""
    record: ConfigurationRecord = {
        "type": "configuration",
        "time": timestamp(at),
        "accepted": accepted,
        "reasonCode": ReasonCode.POLICY_FILE_ACCEPTED if accepted else ReasonCode.POLICY_FILE_REFUSED,
        "policyDigest": policy_digest,
    }
    if not accepted:
        record["faults"] = faults
    return record


def certificate_record(serving: ServingCertificate, *, why: Reason, at: datetime) -> CertificateRecord:
    """Return the record of a serving certificate that came into use, and why."""
    return {
        "type": "certificate",
        "time": timestamp(at),
        "serving": serving,
        "reasonCode": why.code,
        "reason": why.words,
    }


def leader_record(lease: Mapping[str, Any], *, candidate: str, leads: bool, why: Reason, at: datetime) -> LeaderRecord:
    """Return the record of a replica that began or ceased to hold a Lease; `lease` is the Lease's manifest."""
    return {
        "type": "leader",
        "time": timestamp(at),
        "objectRef": manifest_ref(lease),
        "candidate": candidate,
        "leads": leads,
        "reasonCode": why.code,
        "reason": why.words,
    }


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def timestamp(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
