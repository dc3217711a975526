"""A fix that is printed can be applied as it stands: the object then passes, and its selector still matches its Pods."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reviews import deployment
from tests.unit.samples import asked, policy
from webhook.guard.judge import judge
from webhook.guard.mending import mending
from webhook.guard.message import patch
from webhook.model.policy import GuardPolicy
from webhook.model.violation import Remedy, Violation
from webhook.model.workload import Workload

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
KEYS = ("app", NAME, "k8s-app", "role", COMPONENT, "tier", "team")
VALUES = ("", "web", "frontend", "backend", "data", "worker", "Backend", "controller", "payments")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=5)
POLICIES = [
    policy(text)
    for text in (
        "rules: {labels-agree: enforce}",
        "rules: {labels-agree: enforce}\nworkloads: {scope: both}",
        "workloads: {role: {aliases: [tier, app.kubernetes.io/component]}, require: [{label: team, oneOf: [payments, search]}]}",
        "workloads: {app: {label: app.kubernetes.io/name}, require: [{label: role, oneOf: [frontend, backend, data, x]}]}",
        "workloads: {require: [{label: app.kubernetes.io/component, oneOf: [worker, x]}]}",
        "roles: {data: {claim: {namespaces: [databases]}}}\nrules: {labels-agree: enforce}",
    )
]


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """A Deployment whose selector requires some of its template's labels, by value or by expression."""
    template = draw(LABELS)
    kept = draw(st.sets(st.sampled_from(sorted(template)), max_size=3)) if template else set()
    absent = draw(st.sets(st.sampled_from(KEYS), max_size=1)) - template.keys()
    selector = {
        "matchLabels": {key: template[key] for key in sorted(kept)},
        "matchExpressions": [{"key": key, "operator": "DoesNotExist"} for key in sorted(absent)],
    }
    made = deployment(template, labels=draw(LABELS))
    made["spec"]["selector"] = selector
    return made


def read(manifest: dict[str, Any]) -> Workload:
    """The workload of an object's review."""
    found = asked(manifest).workload
    assert found is not None
    return found


def choices(remedies: tuple[Remedy, ...]) -> Iterator[list[str]]:
    """The printed lines, with each of the choices that they offer in turn."""
    lines = patch(remedies)
    yield [line.replace('""  # one of', f'"{first(line)}"  # one of') for line in lines]
    offered = {choice for remedy in remedies for choice in remedy.choices}
    for choice in sorted(offered):
        changed = [
            line.replace(line.split(": ", 1)[1].split("  #")[0], f'"{choice}"', 1) if choice in listed(line) else line
            for line in lines
        ]
        yield [line.replace('""  # one of', f'"{first(line)}"  # one of') for line in changed]


def listed(line: str) -> list[str]:
    """The choices that the comment of a line lists."""
    return line.rpartition(": ")[2].split(", ") if "#" in line else []


def first(line: str) -> str:
    """The first choice on a line."""
    return next(iter(listed(line)), "")


def applied(manifest: Any, change: Any) -> Any:
    """A manifest with the printed part written over it."""
    if not isinstance(change, Mapping):
        return change
    return {**manifest, **{key: applied(manifest.get(key, {}), value) for key, value in change.items()}}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of this test's matches labels."""
    absent = all(one["key"] not in labels for one in selector["matchExpressions"])
    return absent and all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def mended(found: tuple[Violation, ...]) -> set[tuple[str, str]]:
    """The places and labels that faults ask for."""
    return {(one.remedy.place, one.remedy.label) for one in found if one.remedy}


@settings(deadline=None, max_examples=400)
@given(manifest=manifests(), under=st.sampled_from(POLICIES))
def test_a_printed_fix_passes_and_keeps_the_selector(manifest: dict[str, Any], under: GuardPolicy) -> None:
    """Whichever of its choices is taken; what no label can mend is said in words."""
    workload = read(manifest)
    found = judge(workload, under)
    mends = mending(workload, found, under)
    if mended(found) and not mends.remedies:
        assert mends.notes
    for lines in choices(mends.remedies):
        after = applied(manifest, yaml.safe_load("\n".join(lines)) or {})
        template = after["spec"]["template"]["metadata"]["labels"]
        assert matches(after["spec"]["selector"], template)
        left = [one for one in judge(read(after), under) if one.remedy is not None or one.rule == "labels-agree"]
        if not mends.notes:
            assert left == [], lines
        assert len(left) <= len(found)


TANGLED = policy(
    "rules: {labels-agree: enforce}\nworkloads: {scope: both, role: {aliases: [tier, app.kubernetes.io/component]}, "
    "require: [{label: app.kubernetes.io/component, oneOf: [frontend, x]}, {label: tier, matches: 'w.*'}, {label: k8s-app, oneOf: [web]}]}\n"
    "roles: {frontend: {claim: {namespaces: [elsewhere]}}}"
)


@settings(deadline=None, max_examples=200)
@given(manifest=manifests())
def test_requirements_that_contradict_each_other_end_in_a_message(manifest: dict[str, Any]) -> None:
    """Whatever the policy file asks of one label in two ways, there is an answer, and it keeps the selector."""
    workload = read(manifest)
    mends = mending(workload, judge(workload, TANGLED), TANGLED)
    template = next((place for place in workload.places), None)
    assert template is not None
    for remedy in mends.remedies:
        if remedy.place == template.path and remedy.value is not None:
            assert template.selector is None or template.selector.against(remedy.label, remedy.value) is None
