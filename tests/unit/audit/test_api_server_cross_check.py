"""Compare catflap's records with the API server's events."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from webhook.audit.api_server_cross_check import ApiServerCrossCheck
from webhook.audit.api_server_events import EventObjectRef, EventUser
from webhook.audit.chain_verifier import ChainRecord
from webhook.audit.findings import FindingKind
from webhook.audit.log_lines import LogLine, UnreadableLogError

CHAIN, OTHER = "a" * 32, "b" * 32


def make_record(
    seq: int, *, chain: str = CHAIN, minute: int = 30, phase: str = "validate", digest: str = ""
) -> ChainRecord:
    """Return one of catflap's decisions."""
    time = f"2026-01-31T12:{minute:02}:00.000000Z"
    return ChainRecord(chain, seq, "", digest or f"{seq:064}", "decision", time, phase=phase)


def make_event(
    *, entry: str = "pods", seq: int | None = None, chain: str = CHAIN, minute: int = 30, **said: Any
) -> dict[str, Any]:
    """Return an event about a Pod's creation; with `seq`, it has the hash of catflap's record."""
    name = f"{entry}.catflap.dev"
    anchor = {} if seq is None else {"record-chain": chain, "record-seq": str(seq), "record-hash": f"{seq:064}"}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"id-{minute}",
        "stage": "ResponseComplete",
        "verb": "create",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": f"2026-01-31T12:{minute:02}:00.000000Z",
        "annotations": {f"{name}/{key}": value for key, value in anchor.items()},
        **said,
    }


def compare(heads: list[ChainRecord], *events: dict[str, Any]) -> ApiServerCrossCheck:
    """Return a comparison of both sides."""
    comparison = ApiServerCrossCheck()
    for number, one in enumerate(heads, 1):
        comparison.add_records(LogLine("ours.log", number, b""), [one])
    for number, said in enumerate(events, 1):
        comparison.add_event(LogLine("api.log", number, json.dumps(said).encode()))
    return comparison


def find(heads: list[ChainRecord], *events: dict[str, Any]) -> list[tuple[FindingKind, int, str, int | None]]:
    """Return the findings: kind, line, chain and record."""
    return [(one.kind, one.place.line, one.chain, one.seq) for one in compare(heads, *events).findings()]


def test_records_that_both_sides_have_are_no_finding() -> None:
    """The result is the same for any order of the inputs."""
    assert find([make_record(1), make_record(2)], make_event(seq=2), make_event(seq=1)) == []


def test_missing_record_is_reported_at_its_event() -> None:
    """The event's annotation has the chain and the number."""
    [one] = compare([make_record(1)], make_event(seq=1), make_event(seq=2)).findings()
    assert (one.kind, one.place.line, one.chain, one.seq) == (FindingKind.MISSING, 2, CHAIN, 2)
    assert one.message == (
        "the log of the API server contains the hash of this record, but the record is missing: "
        "create pods shop/web (auditID id-30)"
    )


def test_record_with_another_hash_is_forged() -> None:
    """The chain of the record makes no difference."""
    assert find([make_record(1, digest="f" * 64)], make_event(seq=1)) == [(FindingKind.FORGED, 1, CHAIN, 1)]


def test_missing_chain_is_one_finding() -> None:
    """The chain may be another replica's, whose file is not named."""
    events = [make_event(seq=seq, chain=OTHER, minute=seq) for seq in (7, 8, 9)]
    [one] = compare([make_record(1)], make_event(seq=1), *events).findings()
    assert (one.kind, one.chain, one.seq) == (FindingKind.MISSING, OTHER, 7)
    assert one.message.startswith("the log of the API server contains 3 decisions of this chain,")


def test_records_of_the_mutating_phase_are_not_expected() -> None:
    """Answers of the mutating phase have no hash."""
    assert [*compare([make_record(1), make_record(2, phase="mutate")], make_event(seq=1)).notes()] == [
        (
            "the log of the API server, from 2026-01-31T12:30:00.000000Z to 2026-01-31T12:30:00.000000Z, contains the "
            "hashes of 1 decision"
        )
    ]


POD = EventObjectRef("pods", namespace="shop", name="web")


def make_decision(
    seq: int, *, minute: int, ref: EventObjectRef = POD, user: str = "alice", verb: str = "create"
) -> ChainRecord:
    """Return one of catflap's decisions on an object by a user."""
    return replace(make_record(seq, minute=minute), object_ref=ref, user=EventUser(user), verb=verb)


ALICE: dict[str, Any] = {"user": {"username": "alice"}}
# The API server's log covers half an hour; it has Pods that alice created in several namespaces.
USUAL = (
    make_event(seq=1, **ALICE),
    make_event(minute=40, objectRef={"resource": "pods", "namespace": "other", "name": "x"}, **ALICE),
    make_event(minute=59, seq=2, **ALICE),
)
AGREED = [make_record(1), make_record(2, minute=59)]


class TestUnmatchedDecisions:
    """Decisions in catflap's log without a request in the API server's log."""

    def test_unmatched_decision_that_should_be_logged_is_a_finding(self) -> None:
        """The finding names catflap's own line and the evidence."""
        [one] = compare([*AGREED, make_decision(7, minute=45)], *USUAL).findings()
        assert (one.kind, one.place.file, one.place.line, one.seq) == (FindingKind.INSERTED, "ours.log", 3, 7)
        assert one.message.startswith(
            "the log of the API server contains no request for this decision (create pods shop/web by alice): "
        )
        assert (
            "it has 3 requests to write pods, 3 by this user, and none of them matches within 5 minutes" in one.message
        )

    @pytest.mark.parametrize(
        "ours",
        [
            pytest.param(make_decision(7, minute=33), id="asked again, or given up: the request is there without this hash"),
            pytest.param(make_decision(7, minute=27), id="before its log begins"),
            pytest.param(make_decision(7, minute=59), id="before its event could be written"),
            pytest.param(make_decision(7, minute=45, ref=EventObjectRef("deployments", namespace="shop", name="web", api_group="apps")), id="a kind that its policy leaves out"),
            pytest.param(make_decision(7, minute=45, verb="delete"), id="a verb that its policy leaves out"),
            pytest.param(make_decision(7, minute=45, user="system:node:n1"), id="a component that its policy leaves out"),
            pytest.param(make_decision(7, minute=45, ref=replace(POD, namespace="kube-system")), id="a namespace that its policy leaves out"),
        ],
    )  # fmt: skip
    def test_unmatched_decision_with_an_explanation_is_no_finding(self, ours: ChainRecord) -> None:
        """An unproven case yields at most a note."""
        assert find([*AGREED, ours], make_event(seq=1, **ALICE), *USUAL[1:2], make_event(minute=59, seq=2)) == []

    def test_names_that_the_api_server_makes_up_are_the_same_request(self) -> None:
        """The record of catflap has a star; the event has the name, or none."""
        made_up = make_decision(7, minute=33, ref=replace(POD, name="web-*"))
        assert find([*AGREED, made_up], *USUAL) == []
        emptied = make_event(
            minute=44, verb="deletecollection", objectRef={"resource": "pods", "namespace": "shop"}, **ALICE
        )
        assert find([*AGREED, make_decision(7, minute=45, verb="delete")], *USUAL, emptied) == []

    def test_unmatched_decision_of_an_unknown_user_is_a_finding(self) -> None:
        """An attacker can invent a user name freely."""
        [one] = compare([*AGREED, make_decision(7, minute=45, user="mallory")], *USUAL).findings()
        assert "0 by this user" in one.message

    def test_many_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Findings above the limit are only counted."""
        monkeypatch.setattr("webhook.audit.unmatched_decisions.MOST_FINDINGS", 2)
        comparison = compare([*AGREED, *(make_decision(seq, minute=45) for seq in range(7, 12))], *USUAL)
        assert len([*comparison.findings()]) == 2
        assert "3 more decisions without a request in the log of the API server" in [*comparison.notes()]


class TestUnsentPodRequests:
    """Pod creations whose events have no annotation by catflap."""

    def test_unsent_request_in_a_checked_namespace_is_a_finding(self) -> None:
        """The finding appears for a Pod before and after an answered request."""
        assert find([make_record(1)], make_event(seq=1), make_event(minute=31)) == [(FindingKind.SKIPPED, 2, "", None)]

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param({"responseStatus": {"code": 403}}, id="refused"),
            pytest.param({"stage": "RequestReceived"}, id="not answered yet"),
            pytest.param({"verb": "update"}, id="an update, which may have changed nothing that counts"),
            pytest.param({"objectRef": {"resource": "pods", "namespace": "other"}}, id="another namespace"),
            pytest.param({"objectRef": {"resource": "pods", "subresource": "exec", "namespace": "shop"}}, id="exec"),
            pytest.param({"objectRef": None}, id="about no object"),
            pytest.param({"requestReceivedTimestamp": "2026-01-31T12:29:00.000000Z"}, id="before we were registered"),
            pytest.param({"annotations": {"pods.catflap.dev/decision": "allowed"}}, id="an older release's answer"),
        ],
    )
    def test_request_that_may_be_exempt_is_no_finding(self, said: dict[str, Any]) -> None:
        """An unproven case yields no finding."""
        assert find([make_record(1)], make_event(seq=1), make_event(minute=31, **said)) == []

    def test_namespaces_without_any_review_are_named(self) -> None:
        """An administrator knows which namespaces are exempt."""
        others = [make_event(objectRef={"resource": "pods", "namespace": f"n{number % 7}"}) for number in range(8)]
        *_, note = compare([make_record(1)], make_event(seq=1), *others).notes()
        assert note.startswith(
            "the API server sent no request from these namespaces to catflap, which is correct if they are exempt: "
            "n0 (2), n"
        )
        assert note.endswith(" and 2 more")


OURS = {
    "resource": "networkpolicies",
    "apiGroup": "networking.k8s.io",
    "namespace": "quiet",
    "name": "catflap-default-deny",
}
OWN = "system:serviceaccount:guards:catflap-controller"


class TestOtherUnsentRequests:
    """Other requests that the API server should have sent to catflap, as far as events show."""

    @pytest.mark.parametrize(
        ("entry", "group", "resource"),
        [("workloads", "apps", "deployments"), ("workloads", "batch", "jobs"), ("workloads", "argoproj.io", "rollouts"),
         ("open-policies", "networking.k8s.io", "networkpolicies")],
    )  # fmt: skip
    def test_unsent_workload_or_policy_is_a_finding(self, entry: str, group: str, resource: str) -> None:
        """The finding appears in namespaces with any answered request."""
        about = {"resource": resource, "apiGroup": group, "namespace": "shop", "name": "x"}
        assert find([make_record(1)], make_event(seq=1), make_event(minute=31, objectRef=about)) == [
            (FindingKind.SKIPPED, 2, "", None)
        ]
        asked = make_event(minute=31, objectRef=about, entry=entry, seq=2)
        assert find([make_record(1), make_record(2, minute=31)], make_event(seq=1), asked) == []
        elsewhere = make_event(minute=31, objectRef=about | {"namespace": "other"})
        assert find([make_record(1)], make_event(seq=1), elsewhere) == []

    @pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
    def test_unsent_change_of_an_own_policy_is_a_finding_in_any_namespace(self, verb: str) -> None:
        """A namespace with such a policy is closed, whether the API server ever sent its requests to catflap or not."""
        [one] = compare(
            [make_record(1)], make_event(seq=1), make_event(minute=31, verb=verb, objectRef=OURS)
        ).findings()
        assert one.message.startswith(
            f"the API server did not send this request to catflap, although the policy belongs to catflap: {verb} "
            "networkpolicies quiet/"
        )
        asked = make_event(minute=31, verb=verb, objectRef=OURS, entry="policies", seq=2)
        assert find([make_record(1), make_record(2, minute=31)], make_event(seq=1), asked) == []

    @pytest.mark.parametrize("who", [OWN, "system:serviceaccount:kube-system:namespace-controller"])
    def test_own_accounts_and_namespace_controllers_are_excluded(self, who: str) -> None:
        """The exclusions are catflap, in the namespace of its own log, and controllers that empty namespaces."""
        began = ChainRecord(CHAIN, 0, "", "0" * 64, "start", "", writer={"pod": {"namespace": "guards"}})
        removal = make_event(minute=31, verb="delete", objectRef=OURS, user={"username": who})
        assert find([began, make_record(1)], make_event(seq=1), removal) == []
        assert (
            len(find([began, make_record(1)], make_event(seq=1), removal | {"impersonatedUser": {"username": "ann"}}))
            == 1
        )

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param({"verb": "get"}, id="a read"),
            pytest.param({"responseStatus": {"code": 404}}, id="nothing was there"),
            pytest.param({"objectRef": OURS | {"apiGroup": "projectcalico.org"}}, id="Calico's own server asks"),
            pytest.param({"verb": "update", "objectRef": OURS | {"name": "theirs"}}, id="a change that may be none"),
        ],
    )
    def test_event_without_evidence_is_no_finding(self, said: dict[str, Any]) -> None:
        """An unproven case yields no finding."""
        other = make_event(minute=31, **{"verb": "delete", "objectRef": OURS, **said})
        assert find([make_record(1)], make_event(seq=1), other) == []

    def test_deleted_webhook_configuration_is_a_finding(self) -> None:
        """After a deletion catflap gets no requests; a note names the users who change the configurations."""
        about = {"resource": "validatingwebhookconfigurations", "name": "catflap"}
        ann = {"username": "ann"}
        events = [
            make_event(minute=31, verb="delete", objectRef=about, user=ann, responseStatus={"code": 200}),
            make_event(minute=32, verb="patch", objectRef=about, user=ann, responseStatus={"code": 200}),
            make_event(minute=33, verb="delete", objectRef=about | {"name": "others"}, responseStatus={"code": 200}),
            make_event(minute=34, verb="delete", objectRef=about, responseStatus={"code": 403}),
        ]
        comparison = compare([make_record(1)], make_event(seq=1), *events)
        [one] = comparison.findings()
        assert (one.kind, one.place.line) == (FindingKind.SKIPPED, 2)
        assert one.message.startswith(
            "ann deleted a webhook configuration, so the API server sent no more requests until it existed again: "
            "delete"
        )
        assert any(
            note.startswith("ann changed the webhook configurations of catflap, 1 time;") for note in comparison.notes()
        )


@pytest.mark.parametrize("phase", ["validating", "mutation"])
def test_failed_open_request_is_a_finding(phase: str) -> None:
    """The annotation names the skipped entry; entries of other webhooks have no effect."""
    key = f"failed-open.{phase}.webhook.admission.k8s.io/round_0_index_"
    said = {f"{key}0": "pods.catflap.dev", f"{key}1": "other.example"}
    [one] = compare([make_record(1)], make_event(seq=1), make_event(annotations=said)).findings()
    assert (one.kind, one.place.line) == (FindingKind.SKIPPED, 2)
    assert one.message.startswith(
        "the API server continued without an answer from pods.catflap.dev: create pods shop/web"
    )


@pytest.mark.parametrize(
    ("events", "says"),
    [
        pytest.param([], "no event of a completed request", id="empty"),
        pytest.param([make_event(stage="RequestReceived", seq=1)], "no event of a completed request", id="too early"),
        pytest.param([make_event(), make_event()], "no event contains a hash", id="without our hashes"),
    ],
)
def test_log_without_evidence_differs_from_a_log_that_agrees(events: list[dict[str, Any]], says: str) -> None:
    """The exit code also distinguishes the two."""
    with pytest.raises(UnreadableLogError, match=rf"cannot be compared: .*{says}.*; the audit policy must"):
        compare([make_record(1)], *events).check()
    compare([make_record(1)], make_event(seq=1)).check()


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"kind":"Event"}', b'{"kind":"Event","apiVersion":"v1","stage":""}'])
def test_line_that_is_no_event_is_unreadable(text: bytes) -> None:
    """Another file is never accepted as the API server's log."""
    with pytest.raises(UnreadableLogError, match=r"api\.log:3: not an "):
        ApiServerCrossCheck().add_event(LogLine("api.log", 3, text))


@pytest.mark.parametrize(("text", "ended"), [(b'{"kind":"Ev', False), (b"", True), (b"  ", True)])
def test_blank_and_incomplete_lines_are_skipped(text: bytes, *, ended: bool) -> None:
    """Such lines are the last line of an active log, and blank lines between joined logs."""
    ApiServerCrossCheck().add_event(LogLine("api.log", 3, text, has_line_end=ended))
