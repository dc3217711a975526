"""Messages of refusals, computed where they are shown."""

from tests.reviews import deployment
from tests.unit.samples import asked, policy
from webhook.admission.decide import decide
from webhook.admission.decision_message import with_message, with_refused_labels
from webhook.model.decision import Decision, Verdict
from webhook.model.rule import API_SERVER, RefusedLabel, Violation
from webhook.model.steps import complete

TIER, ROLE = "spec.template.metadata.labels.tier", "spec.template.metadata.labels.role"


def decided(labels: dict[str, str]) -> tuple[Decision, Decision]:
    """Return the decision on a Deployment, without and with its message."""
    request = asked(deployment(labels))
    found = complete(decide(request, policy()))
    return found, with_message(found, request, policy())


def refused(path: str, *, always_named: bool = False) -> RefusedLabel:
    """Return a label that the API server refuses."""
    return RefusedLabel(Violation(API_SERVER, path, "'a b' is not a valid label value"), always_named)


def test_a_decision_has_its_faults_at_once_and_its_message_later() -> None:
    """An admission has no message."""
    plain, shown = decided({"app": "web"})
    assert (plain.verdict, plain.message, plain.denied) == (Verdict.DENIED, "", shown.denied)
    assert "- require-role: " in shown.message
    passed, same = decided({"app": "web", "role": "data"})
    assert passed is same


def test_a_label_that_the_api_server_refuses_is_a_fault() -> None:
    """It is a violation in addition to those of rules. A label that a rule reports is named once, unless the rule cannot know the reason."""
    passed, _ = decided({"app": "web", "role": "data"})
    found = with_refused_labels(passed, (refused(TIER),))
    assert (found.verdict, [one.path for one in found.denied]) == (Verdict.DENIED, [TIER])
    assert with_refused_labels(passed, ()) is passed
    plain, _ = decided({"app": "web"})
    assert with_refused_labels(plain, (refused(ROLE),)) is plain
    assert [one.path for one in with_refused_labels(plain, (refused(ROLE, always_named=True),)).denied] == [ROLE, ROLE]
