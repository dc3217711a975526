"""An audit log as two processes write it in some days: namespaces made and closed, Pods let in and refused, an emergency."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from webhook.audit.log import AuditLog
from webhook.audit.record import stamp

BEGIN: Final = datetime(2026, 1, 31, 8, tzinfo=UTC)
TEAMS: Final = ("shop", "billing", "search", "fraud", "mail")
DIGEST: Final = "5f0c1c9dd1b1a7e2"
ROLE: Final = {"rule": "known-role", "path": "metadata.labels.role", "message": "the role 'fronted' is not known"}
APP: Final = {"rule": "require-app", "path": "metadata.labels.app", "message": "the label 'app' is missing"}
OPEN: Final = {"rule": "no-open-policy", "path": "spec.ingress[0]", "message": "it lets everybody in"}
WAITED: Final = 0.25  # seconds from a namespace's request to its policy, in this story
EMERGENCY: Final = 0.5  # and from the policy's removal by break-glass to its return

Timed = tuple[datetime, dict[str, Any]]


def decision(at: datetime, resource: str, space: str, name: str, **other: Any) -> Timed:
    """An answer to somebody who creates something."""
    record: dict[str, Any] = {
        "type": "decision",
        "time": stamp(at),
        "id": f"0d1c3a52-6f0e-4a55-9e6a-{int(at.timestamp() * 1000) % 10**12:012}",
        "phase": "validate",
        "user": {"username": f"system:serviceaccount:{space}:deployer", "groups": ["system:serviceaccounts"]},
        "verb": "create",
        "objectRef": {"apiVersion": "v1", "resource": resource, "namespace": space, "name": name},
        "dryRun": False,
        "decision": "allowed",
        "policyDigest": DIGEST,
        "latencyMicroseconds": 120,
    }
    return at, record | other


def write(at: datetime, space: str, name: str, reason: str) -> Timed:
    """A write of the controller's."""
    ref = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": space, "name": name}
    return at, {
        "type": "write", "time": stamp(at), "verb": "apply", "objectRef": ref, "reason": reason, "policyDigest": DIGEST
    }  # fmt: skip


def served(days: int) -> Iterator[Timed]:
    """What the server answered."""
    yield BEGIN, {"type": "configuration", "time": stamp(BEGIN), "accepted": True, "policyDigest": DIGEST}
    for number, space in enumerate(TEAMS):
        at = BEGIN + timedelta(hours=number)
        yield decision(at, "namespaces", space, space, phase="mutate")
        yield decision(at + timedelta(milliseconds=1), "namespaces", space, space, decision="unjudged")
    for hour in range(6, 24 * days):
        for number, space in enumerate(TEAMS):
            at = BEGIN + timedelta(hours=hour, minutes=7 * number)
            for pod in range(1 + (hour * 7 + number) % 5):
                yield decision(at + timedelta(seconds=pod), "pods", space, f"web-{hour}-{pod}", closure="proven")
            if (hour + 2 * number) % 9 == 0:
                faults = [ROLE, APP] if number % 2 else [ROLE]
                yield decision(at, "pods", space, f"bad-{hour}", decision="denied", denied=faults)
            if (hour + number) % 20 == 0:
                yield decision(at, "networkpolicies", space, "open", warned=[OPEN])
    at = BEGIN + timedelta(hours=30)
    yield decision(
        at, "networkpolicies", "shop", "catflap-default-deny", verb="delete", decision="exempt",
        reason="break-glass: member of catflap:break-glass", user={"username": "ann", "groups": ["catflap:break-glass"]},
    )  # fmt: skip
    yield decision(at, "pods", "shop", "asked", decision="unavailable", reason="the surroundings are not known yet")
    yield decision(
        at, "pods", "mail", "agent", reason="exception from no-host-network until 2026-02-05, sre: node exporter"
    )


def controlled() -> Iterator[Timed]:
    """What the controller wrote."""
    for number, space in enumerate(TEAMS):
        at = BEGIN + timedelta(hours=number, seconds=WAITED)
        yield write(at, space, "catflap-default-deny", "created: the namespace is guarded")
        yield write(at + timedelta(milliseconds=9), space, "catflap-allow-dns", "created: the namespace is guarded")
    at = BEGIN + timedelta(hours=30, seconds=EMERGENCY)
    yield write(at, "shop", "catflap-default-deny", "restored: it was edited or deleted")


def tell(folder: Path, *, days: int = 4, root: Path | None = None) -> tuple[Path, Path]:
    """The logs of both processes."""
    logs = (folder / "serve.log", folder / "controller.log")
    for path, records, process in zip(logs, (served(days), controlled()), ("serve", "controller"), strict=True):
        now = [BEGIN]
        log = AuditLog(str(path), process=process, root=root, now=lambda now=now: now[0])  # type: ignore[misc]
        for at, record in sorted(records, key=lambda one: one[0]):
            now[0] = at
            log.look()
            log.append(record)
        log.stop()
    return logs
