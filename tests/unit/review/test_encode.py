"""Check the exact bytes of the answer to a decision."""

import base64
import json
from typing import Any, Final

import pytest

from tests.decisions import settled
from tests.reasons import some
from tests.reviews import GOOD, Json, deployment, namespace, pod
from tests.unit.samples import asked, policy
from webhook.admission.decide import unavailable
from webhook.admission.mutate import mutate
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import ReasonCode
from webhook.model.rule import Violation
from webhook.review.encode import MOST_CAUSES, WARNING_LENGTH, encode_mutation, encode_validation

UID: Final = "705ab4f5-6393-11e8-b7cc-42010a800002"
ENVELOPE: Final = ',"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}'
NOTES: Final = {"decision": "denied"}

DENIED: Final = (
    '{"response":{"uid":"' + UID + '","allowed":false,"status":{'
    '"message":"Pod shop/web has 1 violation:\\n'
    "- require-role: metadata.labels.role: the label 'role' is missing; the roles are frontend, backend, data\\n"
    'To fix it, set in the manifest:\\n  metadata:\\n    labels:\\n      role: \\"\\"  # one of: frontend, '
    'backend, data",'
    '"reason":"Forbidden","code":403,"details":{"causes":[{"reason":"FieldValueInvalid",'
    '"message":"require-role: the label \'role\' is missing; the roles are frontend, backend, data",'
    '"field":"metadata.labels.role"}]}},"auditAnnotations":{"decision":"denied"}}' + ENVELOPE
)
WARNED: Final = (
    '{"response":{"uid":"' + UID + '","allowed":true,"warnings":['
    "\"require-role: metadata.labels.role: the label 'role' is missing; the roles are frontend, backend, data\"],"
    '"auditAnnotations":{"decision":"denied"}}' + ENVELOPE
)
UNAVAILABLE: Final = (
    '{"response":{"uid":"' + UID + '","allowed":false,"status":{'
    '"message":"no decision: nobody answers; try again in a moment",'
    '"reason":"ServiceUnavailable","code":503,"details":{"retryAfterSeconds":1}},'
    '"auditAnnotations":{"decision":"denied"}}' + ENVELOPE
)
ALLOWED: Final = '{"response":{"uid":"' + UID + '","allowed":true}' + ENVELOPE


def decision(manifest: Json, text: str = "") -> Decision:
    """Return the decision on an object's creation."""
    found = settled(asked(manifest), policy(text))
    assert isinstance(found, Decision)
    return found


@pytest.mark.parametrize(
    ("decided", "answer"),
    [
        pytest.param(decision(pod({"app": "web"})), DENIED, id="denied"),
        pytest.param(decision(pod({"app": "web"}), "mode: warn"), WARNED, id="warned"),
        pytest.param(unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "nobody answers"), UNAVAILABLE, id="unavailable"),
    ],
)
def test_the_validating_answer_is_these_bytes(decided: Decision, answer: str) -> None:
    """The API server and kubectl read only these fields."""
    assert encode_validation(asked(pod()), decided, annotations=NOTES).decode() == answer


@pytest.mark.parametrize("verdict", [Verdict.ALLOWED, Verdict.EXEMPT, Verdict.UNJUDGED])
def test_an_admission_is_these_bytes(verdict: Verdict) -> None:
    """The API server ignores a status here, and a validating webhook must not send a patch."""
    decided = Decision(some(verdict, "whatever"), labels={"app": "web"})
    assert encode_validation(asked(pod()), decided, annotations={}).decode() == ALLOWED
    assert encode_mutation(asked(pod()), Decision(some(verdict, "whatever"))).decode() == ALLOWED


@pytest.mark.parametrize("verdict", Verdict)
def test_the_mutating_answer_never_refuses(verdict: Verdict) -> None:
    """The validating phase refuses, because it sees the final object."""
    answer = json.loads(encode_mutation(asked(pod()), Decision(some(verdict))))
    assert answer["response"] == {"uid": UID, "allowed": True}


def test_every_fault_is_a_cause_for_programs() -> None:
    """The causes have the order of the message."""
    answer = encode_validation(asked(deployment()), decision(deployment()), annotations={})
    causes = json.loads(answer)["response"]["status"]["details"]["causes"]
    assert [(cause["reason"], cause["field"]) for cause in causes] == [
        ("FieldValueInvalid", "spec.template.metadata.labels.app"),
        ("FieldValueInvalid", "spec.template.metadata.labels.role"),
    ]


@pytest.mark.parametrize("length", [WARNING_LENGTH - 1, WARNING_LENGTH, WARNING_LENGTH + 1, 5000])
def test_warning_has_the_maximum_length_of_the_api_server(length: int) -> None:
    """A mark shows that the text is cut."""
    before = "a: b: "
    fault = Violation(rule="a", path="b", message="x" * (length - len(before)))
    answer = encode_validation(asked(pod()), Decision(some(Verdict.ALLOWED), warned=(fault,)), annotations={})
    (warning,) = json.loads(answer)["response"]["warnings"]
    whole = f"{before}{fault.message}"
    assert warning == (whole if length <= WARNING_LENGTH else f"{whole[: WARNING_LENGTH - 1]}…")
    assert len(warning) <= WARNING_LENGTH


@pytest.mark.parametrize(
    "value", ["a\nb", "\x1b[31m", "\u202e", "ä" * 200], ids=["a line end", "an escape", "a turn of direction", "long"]
)
def test_a_warning_has_no_control_characters(value: str) -> None:
    """The API server silently drops a warning with such characters."""
    answer = encode_validation(asked(pod()), decision(pod({"app": "web", "role": value}), "mode: warn"), annotations={})
    (warning,) = json.loads(answer)["response"]["warnings"]
    assert warning.isprintable()


class TestPatch:
    """Test the patch of the mutating answer."""

    @staticmethod
    def patch_of(manifest: Json, **options: Any) -> Any:
        """Return the operations of the answer to a review."""
        request = asked(manifest, **options)
        response = json.loads(encode_mutation(request, mutate(request, policy())))["response"]
        assert response["patchType"] == "JSONPatch"
        return json.loads(base64.b64decode(response["patch"], validate=True))

    def test_labels_are_added_to_existing_labels(self) -> None:
        """Existing labels do not change."""
        assert self.patch_of(pod({"app.kubernetes.io/name": "web", "example.com/x": "y"})) == [
            {"op": "add", "path": "/metadata/labels/app", "value": "web"}
        ]

    @pytest.mark.parametrize("labels", [{}, None, "absent"], ids=["an empty map", "null", "no map"])
    def test_missing_label_map_is_created(self, labels: Any) -> None:
        """An `add` below a missing map would be an error 500 for the user."""
        source = namespace()
        if labels == "absent":
            del source["metadata"]["labels"]
        else:
            source["metadata"]["labels"] = labels
        assert self.patch_of(source, namespace="shop") == [
            {"op": "add", "path": "/metadata/labels", "value": {"catflap.dev/guard": "enabled"}}
        ]

    def test_a_slash_in_a_key_is_escaped(self) -> None:
        """Unescaped, it would begin another step of the path."""
        assert self.patch_of(namespace(labels={"team": "a"}), namespace="shop") == [
            {"op": "add", "path": "/metadata/labels/catflap.dev~1guard", "value": "enabled"}
        ]

    def test_the_patch_is_the_only_difference(self) -> None:
        """The envelope is the same."""
        answer = encode_mutation(asked(pod()), Decision(some(Verdict.ALLOWED), labels={"app": "web"})).decode()
        patch = base64.b64encode(b'[{"op":"add","path":"/metadata/labels","value":{"app":"web"}}]').decode()
        assert answer == (
            '{"response":{"uid":"'
            + UID
            + '","allowed":true,"patchType":"JSONPatch","patch":"'
            + patch
            + '"}'
            + ENVELOPE
        )


def test_the_uid_is_the_requests() -> None:
    """The API server refuses an answer with another uid."""
    request = asked(pod(GOOD), uid='a"\\ü')
    for answer in (
        encode_validation(request, Decision(some(Verdict.ALLOWED)), annotations={}),
        encode_mutation(request, Decision(some(Verdict.ALLOWED))),
    ):
        assert json.loads(answer)["response"]["uid"] == 'a"\\ü'


@pytest.mark.parametrize("text", ["set limits\n", "set\n  limits", "set\r\nlimits", "set\tlimits", "set\x07limits\x85"])
def test_warning_is_one_line(text: str) -> None:
    """A message is a block in YAML, and the API server drops text on more than one line."""
    decided = Decision(some(Verdict.ALLOWED), warned=(Violation("mine", "", text),), notices=(f"by: {text}",))
    answer = encode_validation(asked(pod(GOOD)), decided, annotations={})
    assert json.loads(answer)["response"]["warnings"] == ["mine: set limits", "by: set limits"]


class TestBounds:
    """Test that long answers have as much as the API server passes on, and a count of the rest."""

    FAULTS = tuple(Violation(f"rule-{number}", f"path[{number}]", "x" * 1_000) for number in range(100))

    def answer(self, decided: Decision) -> Json:
        """Return the answer's `response`."""
        response: Json = json.loads(encode_validation(asked(pod()), decided, annotations=NOTES))["response"]
        return response

    def test_warnings(self) -> None:
        """The limit of 4,096 characters includes the notices."""
        warned = self.answer(Decision(some(Verdict.ALLOWED), warned=self.FAULTS, notices=("take notice",)))["warnings"]
        assert sum(map(len, warned)) <= 4_096
        assert warned[-2:] == ["and 86 more warnings", "take notice"]

    def test_causes(self) -> None:
        """A program gets the first causes."""
        found = self.answer(Decision(some(Verdict.DENIED), denied=self.FAULTS, message="no"))["status"]["details"][
            "causes"
        ]
        assert (len(found), found[-1]["message"]) == (MOST_CAUSES + 1, "and 68 more violations")
