"""A cluster's week as its audit log tells it: written by the project's own log, with figures that tests know."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.reasons import some
from webhook.audit.log import AuditLog
from webhook.audit.record import timestamp
from webhook.model.reason import ReasonCode, Verdict

BEGIN: Final = datetime(2026, 1, 26, 6, tzinfo=UTC)
DIGEST: Final = "5f0c1c9dd1b10a77"
RULES: Final = (
    "require-role",
    "known-role",
    "require-app",
    "no-open-policy",
    "no-host-network",
    "keep-role",
    "limits-set",
)
SPACES: Final = ("shop", "payments", "search", "mail", "reporting-and-analytics-of-the-northern-region", "batch")
REFUSED: Final = 260
BROKEN_BY: Final = {rule: sum(number % len(RULES) == at for number in range(REFUSED)) for at, rule in enumerate(RULES)}
ALLOWED: Final = 600
GAP_SECONDS: Final = 42  # of the policy that break-glass removed in payments
UNSEEN_SECONDS: Final = 90  # of the one that was removed past catflap in search, at most
POLICY: Final = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
rules: {no-host-network: warn}
namespaces:
  exempt: [kube-system, calico-system]
  overrides:
    - {names: ["sandbox-*"], mode: audit}
exempt: {groups: [platform-team]}
exceptions:
  - {rule: require-role, namespace: legacy, owner: team-a, reason: "migration to the new platform", until: 2099-01-31}
  - {rule: known-role, namespace: mail, owner: team-mail, reason: "vendor chart", until: 2026-01-20}
"""


class Clock:
    """A time that the story moves."""

    def __init__(self) -> None:
        self.time = BEGIN

    def __call__(self) -> datetime:
        """Now."""
        return self.time

    def advance(self, **by: float) -> None:
        """Let time pass."""
        self.time += timedelta(**by)


class LogWriter:
    """Records of one process, each at the time that the clock says."""

    def __init__(self, path: Path, *, process: str = "serve") -> None:
        self.clock = Clock()
        self.log = AuditLog(str(path), process=process, now=self.clock)
        self._number = 0

    def append(self, **record: Any) -> None:
        """One record."""
        self.log.poll()
        self.log.append({"time": timestamp(self.clock.time), **record})

    def append_decision(self, decision: str, namespace: str = "shop", *, user: str = "alice", **other: Any) -> None:
        """One decision on a Pod."""
        self._number += 1
        record = {
            "type": "decision", "id": f"uid-{self._number}", "phase": "validate",
            "user": {"username": user, "groups": ["developers"]}, "verb": "create",
            "objectRef": {"apiVersion": "v1", "resource": "pods", "namespace": namespace, "name": "web"},
            "dryRun": False, "decision": decision, "reasonCode": some(Verdict(decision)).code, "policyDigest": DIGEST, "latencyMicroseconds": 150,
        }  # fmt: skip
        self.append(**record | other)

    def append_rejection(self, *rules: str, namespace: str = "shop", user: str = "alice") -> None:
        """One refusal."""
        denied = [{"rule": rule, "path": "metadata.labels", "message": "no"} for rule in rules]
        self.append_decision("denied", namespace, user=user, reasonCode=ReasonCode.RULE_VIOLATED, denied=denied)

    def append_write(self, namespace: str, code: ReasonCode, reason: str, *, verb: str = "apply") -> None:
        """One write of a namespace's default-deny policy."""
        target = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": namespace}
        self.append(
            type="write",
            verb=verb,
            objectRef=target | {"name": "catflap-default-deny"},
            reasonCode=code,
            reason=reason,
            policyDigest=DIGEST,
        )

    def append_namespace(self, namespace: str) -> None:
        """One namespace that is created."""
        target = {"apiVersion": "v1", "resource": "namespaces", "namespace": namespace, "name": namespace}
        self.append_decision("allowed", user="bob", phase="mutate", objectRef=target)

    def append_removal(self, namespace: str, user: str) -> None:
        """One removal of a default-deny policy that is let through."""
        target = {"apiGroup": "networking.k8s.io", "apiVersion": "v1", "resource": "networkpolicies"}
        self.append_decision(
            "exempt", user=user, verb="delete", reasonCode=ReasonCode.BREAK_GLASS, reason="break-glass: member of catflap:break-glass",
            objectRef=target | {"namespace": namespace, "name": "catflap-default-deny"},
        )  # fmt: skip


def write_week(path: Path) -> None:
    """A log of seven days: births, a gap that is known, one that is not, refusals of seven rules, exceptions, exemptions."""
    story = LogWriter(path)
    story.append(type="configuration", accepted=True, reasonCode=ReasonCode.POLICY_FILE_ACCEPTED, policyDigest=DIGEST)
    for space in SPACES:
        story.append_namespace(space)
        story.clock.advance(seconds=0.25)
        story.append_write(space, ReasonCode.POLICY_CREATED, "created: new namespace")
    for number in range(ALLOWED):
        story.clock.advance(minutes=3)
        story.append_decision("allowed", SPACES[number % len(SPACES)], closure="proven")
    story.append_removal("payments", "carol")
    story.clock.advance(seconds=GAP_SECONDS)
    story.append_write("payments", ReasonCode.POLICY_RESTORED, "somebody changed or removed it")
    story.append_decision("allowed", "search", closure="proven")
    story.clock.advance(seconds=UNSEEN_SECONDS)
    story.append_write("search", ReasonCode.POLICY_RESTORED, "somebody changed or removed it")
    for number in range(REFUSED):
        story.clock.advance(minutes=27)
        rule, space = RULES[number % len(RULES)], SPACES[number % 4]
        story.append_rejection(rule, namespace=space, user=f"system:serviceaccount:{space}:deployer")
    for _ in range(5):
        story.append_decision("exempt", "kube-system", reason="namespace kube-system is exempt")
    story.append_decision(
        "allowed",
        "legacy",
        reasonCode=ReasonCode.EXCEPTION_APPLIED,
        reason="exception to require-role until 2099-01-31, team-a: migration",
        closure="proven",
    )
    story.append(
        type="configuration",
        accepted=False,
        reasonCode=ReasonCode.POLICY_FILE_REFUSED,
        policyDigest=DIGEST,
        faults=["mode: 'loud' is none of enforce, warn"],
    )
    story.log.stop()
