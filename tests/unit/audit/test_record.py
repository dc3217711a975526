"""Test what a record has, and what it never has."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.decisions import settled
from tests.reviews import GOOD, Json, deployment, pod
from tests.unit.samples import asked, policy
from webhook.admission.decide import unavailable
from webhook.admission.mutate import mutate
from webhook.audit.record import configuration_record, decision_record, timestamp, write_record
from webhook.model.decision import Decision, Phase
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request

AT: Final = datetime(2026, 1, 31, 12, 0, 0, 250, tzinfo=UTC)
WHEN: Final = "2026-01-31T12:00:00.000250Z"


def make_record(request: Request, decision: Decision, phase: Phase = Phase.VALIDATE) -> Json:
    """Return the record of a decision, under a policy with the digest 0123."""
    return dict(decision_record(phase, request, decision, policy_digest="0123", at=AT, microseconds=64))


def decide_request(request: Request, text: str = "") -> Decision:
    """Return the decision on a request."""
    found = settled(request, policy(text))
    assert isinstance(found, Decision)
    return found


class TestDecisions:
    """Each answer has one record."""

    def test_admission_has_user_verb_and_object(self) -> None:
        """The names are those of the API server's own audit log."""
        request = asked(pod(GOOD), dryRun=True)
        assert make_record(request, decide_request(request)) == {
            "type": "decision",
            "time": WHEN,
            "id": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "phase": "validate",
            "senderAuthentication": "none",
            "user": {"username": "jane", "groups": ("system:authenticated",)},
            "verb": "create",
            "objectRef": {"apiVersion": "v1", "resource": "pods", "namespace": "shop", "name": "web"},
            "dryRun": True,
            "decision": "allowed",
            "reasonCode": "NoViolation",
            "policyDigest": "0123",
            "latencyMicroseconds": 64,
        }

    def test_rejection_has_every_violation(self) -> None:
        """Each violation has its rule, place and message; warned and audited ones are separate."""
        request = asked(deployment({"role": "fronted"}))
        found = make_record(request, decide_request(request, "rules: {require-app: warn}"))
        assert (found["decision"], found["reasonCode"]) == ("denied", "RuleViolated")
        assert "reason" not in found
        assert found["denied"] == [
            {
                "rule": "known-role",
                "path": "spec.template.metadata.labels.role",
                "message": "unknown role 'fronted' (did you mean 'frontend'?); the roles are frontend, backend, data",
            }
        ]
        assert [fault["rule"] for fault in found["warned"]] == ["require-app"]
        assert "audited" not in found
        assert found["objectRef"]["apiGroup"] == "apps"

    def test_a_mode_that_only_records_is_recorded(self) -> None:
        """This mode has no other trace."""
        request = asked(pod())
        found = make_record(request, decide_request(request, "mode: audit"))
        assert (found["decision"], found["reasonCode"]) == ("allowed", "ViolationNotEnforced")
        assert [fault["rule"] for fault in found["audited"]] == ["require-app", "require-role"]

    @pytest.mark.parametrize(
        ("request_", "decision", "code", "said"),
        [
            pytest.param(
                asked(pod(), namespace="kube-system"),
                "exempt",
                "NamespaceExempt",
                "namespace kube-system is exempt",
                id="exempt",
            ),
            pytest.param(
                asked(None, operation="DELETE"),
                "unjudged",
                "OperationNotJudged",
                "DELETE creates no Pod",
                id="unjudged",
            ),
        ],
    )
    def test_unchecked_request_has_its_reason(self, request_: Request, decision: str, code: str, said: str) -> None:
        """A reader of the log needs no source code."""
        found = make_record(request_, decide_request(request_))
        assert (found["decision"], found["reasonCode"], found["reason"]) == (decision, code, said)

    def test_unavailable_decision_names_the_missing_fact(self) -> None:
        """The record distinguishes a failure of catflap from a bad object."""
        found = make_record(asked(pod()), unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "nobody answers"))
        assert (found["decision"], found["reason"]) == ("unavailable", "nobody answers")

    def test_generated_name_keeps_its_wildcard(self) -> None:
        """The mutating phase has no other name."""
        request = asked(pod(GOOD, name="", generateName="web-"), name="")
        assert make_record(request, decide_request(request))["objectRef"]["name"] == "web-*"

    def test_a_subresource_is_named(self) -> None:
        """The name is the one in the API server's log."""
        request = asked(pod(GOOD), subResource="status")
        assert make_record(request, decide_request(request))["objectRef"]["subresource"] == "status"

    def test_patched_labels_are_recorded(self) -> None:
        """The record has each label."""
        request = asked(pod({"app.kubernetes.io/name": "web"}))
        found = make_record(request, mutate(request, policy()), Phase.MUTATE)
        assert (found["phase"], found["patchedLabels"]) == ("mutate", {"app": "web"})

    def test_a_record_is_json(self) -> None:
        """This holds for every content of a decision."""
        request = asked(pod())
        for found in (
            decide_request(request),
            mutate(request, policy()),
            unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "x"),
        ):
            assert json.loads(json.dumps(make_record(request, found)))["type"] == "decision"


SECRET: Final = "s3cr3t"


def pod_with_secrets(labels: dict[str, str]) -> Json:
    """Return the record of a Pod with a secret in every field that no rule reads."""
    source = pod({**labels, "password": SECRET}, annotations={"token": SECRET}, finalizers=[SECRET])
    source["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": SECRET}]
    return source


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(GOOD, id="admitted"),
        pytest.param({}, id="refused"),
        pytest.param({"app.kubernetes.io/name": "web", "app.kubernetes.io/component": "x"}, id="patched, then refused"),
    ],
)
@pytest.mark.parametrize("text", ["", "mode: warn", "mode: audit", "mode: off"])
def test_record_has_only_labels_that_rules_read(labels: dict[str, str], text: str) -> None:
    """The record has no other label's value, no annotation, and nothing of the Pod itself."""
    for request in (asked(pod_with_secrets(labels)), asked(pod_with_secrets(labels), before=pod_with_secrets(GOOD))):
        written = json.dumps(
            [make_record(request, decide_request(request, text)), make_record(request, mutate(request, policy(text)))]
        )
        assert SECRET not in written
        assert "password" not in written.lower()


def test_a_write_of_ours_is_recorded() -> None:
    """The record has the object, the reason and the policy."""
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "catflap-default-deny"},
    }
    why = Reason(ReasonCode.POLICY_CREATED, "created: the namespace is managed")
    assert write_record(manifest, why=why, policy_digest="0123", at=AT) == {
        "type": "write",
        "time": WHEN,
        "verb": "apply",
        "objectRef": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "namespace": "shop",
            "name": "catflap-default-deny",
        },
        "reasonCode": "PolicyCreated",
        "reason": "created: the namespace is managed",
        "policyDigest": "0123",
    }


@pytest.mark.parametrize(
    ("accepted", "faults", "more"),
    [
        pytest.param(True, [], {"reasonCode": "PolicyFileAccepted"}, id="in force"),
        pytest.param(
            False,
            ["mode: is wrong"],
            {"reasonCode": "PolicyFileRefused", "faults": ["mode: is wrong"]},
            id="refused",
        ),
    ],
)
def test_a_change_of_policy_is_recorded(faults: list[str], more: dict[str, Any], *, accepted: bool) -> None:
    """The record says that the file is in force, or refused with its faults."""
    assert configuration_record(accepted=accepted, faults=faults, policy_digest="0123", at=AT) == {
        "type": "configuration",
        "time": WHEN,
        "accepted": accepted,
        "policyDigest": "0123",
        **more,
    }


def test_times_are_utc_to_the_microsecond() -> None:
    """Every digit is present, so that texts sort as times do."""
    assert timestamp(AT) == WHEN
    assert timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"
