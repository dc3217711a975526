"""Label fixes of workloads, which depend on the rest of the object."""

from typing import Any

import pytest

from tests.reviews import deployment, pod
from tests.unit.samples import asked, policy
from webhook.admission.judge import judge
from webhook.admission.label_fixes import DEBUG_COPY, LabelFix, label_fix
from webhook.model.policy import GuardPolicy
from webhook.model.workload import Workload

COMPONENT = "app.kubernetes.io/component"
TEMPLATE = "spec.template.metadata"


def read(manifest: dict[str, Any]) -> Workload:
    """Return the workload of an object's review."""
    found = asked(manifest).workload
    assert found is not None
    return found


def selecting(manifest: dict[str, Any], selector: dict[str, Any]) -> Workload:
    """Return the same with a selector."""
    manifest["spec"]["selector"] = selector
    return read(manifest)


def mends(workload: Workload, under: GuardPolicy | None = None) -> LabelFix:
    """Return the fix of all violations of a workload."""
    under = under or policy()
    return label_fix(workload, judge(workload, under), under)


def labels(found: LabelFix) -> list[tuple[str, str, str | None]]:
    """Place, label and value of each remedy."""
    return [(one.place, one.label, one.value) for one in found.remedies]


def test_a_label_that_the_selector_requires_is_never_changed() -> None:
    """The API server refuses a template that its selector does not match, and the selector of an object that exists never changes."""
    found = mends(selecting(deployment({"app": "web", "role": "worker"}), {"matchLabels": {"role": "worker"}}))
    assert found.remedies == ()
    [note] = found.notes
    assert note.startswith(f"{TEMPLATE}.labels.role cannot change alone: spec.selector requires role: worker. ")
    assert "create the object under another name, or delete it first" in note


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ({"key": "role", "operator": "In", "values": ["a", "b"]}, "role In [a, b]"),
        ({"key": "role", "operator": "NotIn", "values": ["frontend", "backend", "data"]}, "role NotIn [frontend, backend, data]"),
        ({"key": "role", "operator": "DoesNotExist"}, "role DoesNotExist"),
    ],
)  # fmt: skip
def test_an_expression_counts_as_well(expression: dict[str, Any], words: str) -> None:
    """As the API server matches it."""
    found = mends(selecting(deployment({"app": "web"}), {"matchExpressions": [expression]}))
    assert found.remedies == ()
    assert f"requires {words}." in found.notes[0]


def test_the_role_follows_an_alias_that_the_selector_requires() -> None:
    """Of two roles that contradict each other the one that can change does."""
    both = {"app": "web", "role": "backend", COMPONENT: "data"}
    assert labels(mends(selecting(deployment(both), {"matchLabels": {"app": "web"}}))) == [
        (TEMPLATE, COMPONENT, "backend")
    ]
    assert labels(mends(selecting(deployment(both), {"matchLabels": {COMPONENT: "data"}}))) == [
        (TEMPLATE, "role", "data")
    ]
    stuck = mends(selecting(deployment(both), {"matchLabels": {COMPONENT: "data", "role": "backend"}}))
    assert stuck.remedies == ()
    assert len(stuck.notes) == 1


def test_the_objects_own_label_comes_before_its_name() -> None:
    """A fix that contradicts it would be rejected by the next rule."""
    found = mends(read(deployment({"role": "backend"}, labels={"app": "cart"}, name="cart-v2")))
    assert labels(found) == [(TEMPLATE, "app", "cart")]
    own = mends(read(deployment({"app": "web"}, labels={"role": "data"})))
    assert labels(own) == [(TEMPLATE, "role", "data")]
    assert own.remedies[0].choices == ()


def test_an_own_label_that_is_no_role_changes_too() -> None:
    """Both get the same value, whichever a person chooses."""
    found = mends(read(deployment({"app": "web", "role": "worker"}, labels={"role": "worker"})))
    assert [(one.place, one.label, one.choices) for one in found.remedies] == [
        (TEMPLATE, "role", ("frontend", "backend", "data")),
        ("metadata", "role", ("frontend", "backend", "data")),
    ]


def test_a_role_that_others_claim_is_not_offered() -> None:
    """The next rule would refuse it."""
    under = policy("roles: {data: {claim: {namespaces: [databases]}}}")
    assert mends(read(pod({"app": "web"})), under).remedies[0].choices == ("frontend", "backend")


def test_a_running_pod_gets_its_role_back() -> None:
    """Another role of the list would be rejected, as the role of a running Pod cannot change."""
    before, after = read(pod({"app": "web", "role": "data"})), read(pod({"app": "web"}))
    under = policy()
    [remedy] = label_fix(after, judge(after, under), under, before).remedies
    assert (remedy.label, remedy.value, remedy.choices) == ("role", "data", ("data",))


def test_a_pod_without_any_label_may_be_a_copy_for_debugging() -> None:
    """`kubectl debug --copy-to` drops the labels unless `--keep-labels` is set."""
    assert DEBUG_COPY in mends(read(pod({}))).notes
    assert DEBUG_COPY not in mends(read(pod({"app": "web"}))).notes


@pytest.mark.parametrize(
    "selector",
    [None, [], "x", {"matchLabels": []}, {"matchLabels": {"role": 1}}, {"matchExpressions": [1, {"operator": "In"}]}, {1: 2}],
)  # fmt: skip
def test_a_selector_that_cannot_be_read_is_left_to_the_api_server(selector: Any) -> None:
    """Messages know nothing of it then."""
    [remedy] = mends(selecting(deployment({"app": "web", "role": "front"}), selector)).remedies
    assert remedy.choices == ("frontend", "backend", "data")


@pytest.mark.parametrize(
    ("selector", "note", "choices"),
    [
        ({"matchLabels": {"team": "1"}}, "spec.selector requires team: 1.", ()),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, "requires team DoesNotExist.", ()),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["1", "web"]}]}, "", ("web",)),
        ({"matchLabels": {"app": "web"}}, "", ()),
    ],
)
def test_a_free_value_meets_the_selector_as_well(selector: dict[str, Any], note: str, choices: tuple[str, ...]) -> None:
    """Where the policy file gives a pattern, the selector may leave some values, or none."""
    under = policy("workloads: {require: [{label: team, matches: '[a-z]+'}]}")
    found = mends(selecting(deployment({"app": "web", "role": "data", "team": "1"}), selector), under)
    assert [one.choices for one in found.remedies] == ([] if note else [choices])
    assert (note in "".join(found.notes), bool(found.notes)) == (True, bool(note))


BOTH = "rules: {labels-agree: enforce}\nworkloads: {scope: both}"
OBJECT = "rules: {labels-agree: enforce}\nworkloads: {scope: object, existingWorkloads: judge}"
ROLES = ("frontend", "backend", "data")
CLAIMED = "roles: {data: {claim: {namespaces: [databases]}}}"


def test_the_pods_follow_where_the_object_alone_is_judged() -> None:
    """Its label would contradict theirs, and labels-agree refuses that."""
    found = mends(read(deployment({"app": "web", "role": "worker"}, labels={"app": "web"})), policy(OBJECT))
    assert [(one.place, one.label, one.choices) for one in found.remedies] == [
        ("metadata", "role", ROLES),
        (TEMPLATE, "role", ROLES),
    ]
    kept = selecting(
        deployment({"app": "web", "role": "worker"}, labels={"app": "web"}), {"matchLabels": {"role": "worker"}}
    )
    assert mends(kept, policy(OBJECT)).remedies == ()
    assert "spec.selector requires role: worker" in mends(kept, policy(OBJECT)).notes[0]
    lenient = policy("workloads: {scope: object, existingWorkloads: judge}")
    assert [(one.place, one.label) for one in mends(kept, lenient).remedies] == [("metadata", "role")]


@pytest.mark.parametrize("own", [{}, {"app": "web"}, {"app": "web", "role": "data"}])
def test_a_claimed_role_is_given_up_on_the_object_and_on_its_pods(own: dict[str, str]) -> None:
    """The object's own label is no way out, as its Pods are refused all the same."""
    found = mends(read(deployment({"app": "web", "role": "data"}, labels=own)), policy(f"{BOTH}\n{CLAIMED}"))
    by_place = {one.place: one.choices for one in found.remedies if one.label == "role"}
    assert by_place == {TEMPLATE: ROLES[:2], "metadata": ROLES[:2]}
    assert found.notes == ()


def test_where_others_claim_every_role_the_message_says_so() -> None:
    """And offers no label."""
    all_claimed = ", ".join(f"{role}: {{claim: {{namespaces: [databases]}}}}" for role in ROLES)
    found = mends(read(pod({"app": "web", "role": "data"})), policy(f"roles: {{{all_claimed}}}"))
    assert found.remedies == ()
    assert "an administrator can change the policy file or add an exception" in found.notes[0]


@pytest.mark.parametrize("value", ["~", "a b", "x" * 64, "-a", "a_"])
def test_a_value_that_the_api_server_refuses_is_not_copied(value: str) -> None:
    """Neither from the Pods nor from the object; the object's name is a value instead."""
    found = mends(read(deployment({"app": value, "role": "data"}, labels={"role": "data"})), policy(BOTH))
    assert labels(found) == [("metadata", "app", "web"), (TEMPLATE, "app", "web")]
    alias = mends(read(deployment({"role": "data"}, labels={"app.kubernetes.io/name": value, "role": "data"})))
    assert [one for one in labels(alias) if one[1] == "app"] == [(TEMPLATE, "app", "web")]


def test_a_label_that_was_written_from_an_alias_is_kept_where_the_fix_changes_the_alias() -> None:
    """The manifest has the alias alone, and the next Pod from it would have no role."""
    under = policy("workloads: {require: [{label: app.kubernetes.io/component, oneOf: [worker]}]}")
    filled = read(pod({"app": "web", "role": "data", COMPONENT: "data"}))
    assert labels(mends(filled, under)) == [("metadata", COMPONENT, "worker"), ("metadata", "role", "data")]
    other = read(pod({"app": "web", "role": "backend", COMPONENT: "x"}))
    assert labels(mends(other, under)) == [("metadata", COMPONENT, "worker")]


def test_the_templates_of_one_object_are_offered_the_roles_that_all_of_them_may_have() -> None:
    """Their accounts may differ, and a claim is for an account."""
    under = policy("roles: {data: {claim: {serviceAccounts: [shop/db]}}}")
    made: dict[str, Any] = {
        "apiVersion": "apps.kruise.io/v1alpha1",
        "kind": "UnitedDeployment",
        "metadata": {"name": "web"},
    }
    labelled = {"metadata": {"labels": {"app": "web"}}}
    made["spec"] = {
        "template": {
            f"{kind}Template": {"spec": {"template": {**labelled, "spec": {"serviceAccountName": account}}}}
            for kind, account in (("statefulSet", "db"), ("cloneSet", "web"))
        }
    }
    found = mends(read(made), under)
    assert [(one.label, one.choices) for one in found.remedies] == [("role", ROLES[:2])] * 2
