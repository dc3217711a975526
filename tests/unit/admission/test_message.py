"""The exact text of refusal messages."""

import pytest
import yaml

from tests.reviews import deployment, pod
from tests.unit.samples import asked, policy, workload
from webhook.admission.judge import judge
from webhook.admission.label_fixes import label_fix
from webhook.admission.message import MAX_MESSAGE_LENGTH, MAX_PATCH_LENGTH, patch, patch_line, refusal, violation_line
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Violation
from webhook.model.workload import Workload

TWO_FAULTS = """\
Deployment shop/web has 2 violations:
- known-role: spec.template.metadata.labels.role: unknown role 'fronted' (did you mean 'frontend'?); the roles are frontend, backend, data
- require-app: spec.template.metadata.labels.app: the label 'app' is missing; set it to the name of the application
To fix it, set in the manifest:
  spec:
    template:
      metadata:
        labels:
          role: "frontend"  # or: backend, data
          app: "web\""""  # fmt: skip

LABELS_WITH_SLASHES = """\
Pod shop/web-* has 4 violations:
- known-role: metadata.labels['shop.example/tier']: unknown role 'xyz'; the roles are frontend, backend, data
- require-app: metadata.labels['shop.example/service']: the label 'shop.example/service' is empty; set it to the name of the application
- require-label: metadata.labels.team: the label 'team' is missing; it must be one of payments, search
- require-label: metadata.labels['shop.example/cost-center']: the label 'shop.example/cost-center' has the value 'x'; it must be a full match of [0-9]{4}
To fix it, set in the manifest:
  metadata:
    labels:
      shop.example/tier: ""  # one of: frontend, backend, data
      shop.example/service: "web"
      team: ""  # one of: payments, search
      shop.example/cost-center: ""  # choose a value"""

ONE_FAULT = """\
Pod shop/web has 1 violation:
- require-role: metadata.labels.role: the label 'role' is missing; the roles are frontend, backend, data
To fix it, set in the manifest:
  metadata:
    labels:
      role: ""  # one of: frontend, backend, data"""

OF_ANOTHER_NAME = """
workloads:
  app: {label: shop.example/service, aliases: []}
  role: {label: shop.example/tier, aliases: []}
  require:
    - {label: team, oneOf: [payments, search]}
    - {label: shop.example/cost-center, matches: "[0-9]{4}"}
"""


def read(manifest: dict[str, object]) -> Workload:
    """Return the workload of an object's review."""
    found = asked(manifest).workload
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("judged", "under", "text"),
    [
        pytest.param(read(pod({"app": "web"})), policy(), ONE_FAULT, id="one fault"),
        pytest.param(read(deployment({"role": "fronted"})), policy(), TWO_FAULTS, id="a typo and a missing label"),
        pytest.param(
            read(
                pod(
                    {"shop.example/tier": "xyz", "shop.example/service": "", "shop.example/cost-center": "x"},
                    name="",
                    generateName="web-",
                )
            ),
            policy(OF_ANOTHER_NAME),
            LABELS_WITH_SLASHES,
            id="labels with slashes, and choices that a person has to make",
        ),
    ],
)
def test_a_refusal_says_what_where_and_how_to_mend_it(judged: Workload, under: GuardPolicy, text: str) -> None:
    """Each fault on its line, then a patch that can be pasted."""
    found = judge(judged, under)
    assert refusal(judged.reference, found, label_fix(judged, found, under)) == text


def test_a_fault_without_remedy_has_no_patch() -> None:
    """Nothing to paste, nothing promised."""
    fault = Violation(rule="a-rule", path="metadata.name", message="is not to my liking")
    assert (
        refusal(workload().reference, (fault,))
        == "Pod shop/web has 1 violation:\n- a-rule: metadata.name: is not to my liking"
    )


def test_a_fault_is_one_line() -> None:
    """Rule, field path, sentence."""
    assert violation_line(Violation("a-rule", "metadata.name", "is wrong")) == "a-rule: metadata.name: is wrong"


@pytest.mark.parametrize(
    ("remedy", "text"),
    [
        pytest.param(Remedy("metadata", "app", value="web"), 'app: "web"', id="a value to paste"),
        pytest.param(Remedy("metadata", "app"), 'app: ""  # choose a value', id="an open choice"),
        pytest.param(Remedy("metadata", "role", choices=("a", "b")), 'role: ""  # one of: a, b', id="a closed choice"),
        pytest.param(
            Remedy("metadata", "role", value="b", choices=("a", "b")), 'role: "b"  # or: a', id="the nearest choice"
        ),
        pytest.param(Remedy("metadata", "role", value="a", choices=("a",)), 'role: "a"', id="the only choice"),
    ],
)
def test_a_label_to_set_is_one_line_of_yaml(remedy: Remedy, text: str) -> None:
    """What a person has to choose is left to them, in a comment."""
    assert patch_line(remedy) == text
    assert yaml.safe_load(text) == {remedy.label: remedy.value or ""}


@pytest.mark.parametrize("label", ["on", "y", "null", "1", "1.5", "2026-01-31", "1e3"])
def test_a_label_that_yaml_takes_for_something_else_stays_text(label: str) -> None:
    """Pasted into a manifest, it is the label that was meant."""
    assert yaml.safe_load(patch_line(Remedy("metadata", label, "a"))) == {label: "a"}


def test_a_label_that_two_rules_require_is_printed_once() -> None:
    """Readers of a manifest refuse a duplicate key, or ignore one of them."""
    under = policy("workloads: {role: {oneOf: [backend]}, require: [{label: role, oneOf: [backend]}]}")
    found = judge(workload({"app": "web"}), under)
    assert [fault.rule for fault in found] == ["require-label", "require-role"]
    text = refusal(workload().reference, found, label_fix(workload({"app": "web"}), found, under))
    assert sum(line.strip().startswith("role:") for line in text.splitlines()) == 1


def test_labels_of_one_location_are_printed_together() -> None:
    """A second `metadata:` in one manifest would replace the first."""
    lines = patch([Remedy("metadata", "app", "web"), Remedy("template.metadata", "x", "y"), Remedy("metadata", "role")])
    assert yaml.safe_load("\n".join(lines)) == {
        "metadata": {"labels": {"app": "web", "role": ""}},
        "template": {"metadata": {"labels": {"x": "y"}}},
    }


def test_places_below_one_field_share_it() -> None:
    """As the second `spec:` of an AdvancedCronJob's two templates would replace the first; whatever comes between."""
    job, broadcast = (f"spec.template.{kind}Template.spec.template.metadata" for kind in ("job", "broadcastJob"))
    remedies = [Remedy(job, "app", "web"), Remedy("metadata", "app", "web"), Remedy(broadcast, "app", "web")]
    labels = {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}
    text = "\n".join(patch(remedies))
    assert text.count("spec:\n    template:\n") == 1
    assert yaml.safe_load(text) == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"template": {"broadcastJobTemplate": labels, "jobTemplate": labels}},
    }


class TestBounds:
    """Messages that would be too long."""

    def test_a_violation_of_several_rules_is_printed_once(self) -> None:
        """An object that is too large breaks each of them."""
        found = tuple(Violation(rule, "metadata.labels", "it has too many") for rule in ("a-rule", "b-rule"))
        assert refusal("Pod shop/web", found) == (
            "Pod shop/web has 2 violations:\n- a-rule, b-rule: metadata.labels: it has too many"
        )

    def test_those_that_are_not_listed_count(self) -> None:
        """The first line says how many faults there are."""
        found = (Violation("a-rule", "metadata", "wrong"), Violation("a-rule", "", "and 7 more", count=7))
        assert refusal("Pod shop/web", found).startswith("Pod shop/web has 8 violations:\n")

    def test_a_long_list_of_choices_is_cut(self) -> None:
        """A hundred roles are not for a comment."""
        choices = tuple(f"role-{number}" for number in range(100))
        assert patch_line(Remedy("metadata", "role", choices=choices)).endswith("role-9 and 90 more")

    def test_no_message_is_longer_than_people_read(self) -> None:
        """However many faults of however many rules; the last line says how much more there is."""
        found = tuple(
            Violation(
                f"rule-{number}", f"path[{number}]", "x" * 1_000, Remedy("metadata", f"label-{number}", "y" * 500)
            )
            for number in range(1_000)
        )
        text = refusal("x" * 3_000_000, found)
        assert len(text) < MAX_MESSAGE_LENGTH + MAX_PATCH_LENGTH + 1_000
        assert "more lines" in text.splitlines()[-1]
