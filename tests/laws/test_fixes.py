"""A printed fix can be applied unchanged: the object then passes, and its selectors still match its Pods."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from tests.unit.samples import policy
from webhook.admission.message import patch
from webhook.cli.check import decide_offline
from webhook.model.decision import Decision
from webhook.model.kinds import BY_KIND, POD_MAKERS, PodMaker, selector_beside
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy
from webhook.review.manifests import read, refused_by_api_server
from webhook.syntax.documents import LocatedObject, located_objects

Json = dict[str, Any]

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
KEYS: Final = ("app", NAME, "k8s-app", "role", COMPONENT, "tier", "team")
VALUES: Final = ("", "web", "frontend", "backend", "data", "worker", "Backend", "controller", "payments")
# Values that the API server rejects as labels: a fix must not copy them.
REFUSED: Final = ("~", "a b", "x" * 64)
NUMBERS: Final = (1, 1.5, -2, True)
# apimachinery, pkg/util/validation, IsValidLabelValue.
VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
VM: Final = PodMaker("kubevirt.io", "virtualmachines", "VirtualMachine", "spec.template", custom=True)
MAKERS: Final = (*POD_MAKERS, VM)
LABEL_RULES: Final = frozenset(
    {"known-role", "labels-agree", "no-alias-conflict", "require-app", "require-label", "require-role", "role-claim"}
)
EXTRA: Final = (
    "extraKinds: [{group: kubevirt.io, resource: virtualmachines, kind: VirtualMachine, template: spec.template}]"
)
SCOPES: Final = ("template", "object", "both")
RULES: Final = (
    "",
    "rules: {labels-agree: enforce}",
    "mode: audit\nrules: {require-role: enforce, labels-agree: enforce}",
    "mode: warn\nrules: {labels-agree: enforce, role-claim: enforce}",
    "rules: {known-role: off, role-claim: warn, no-alias-conflict: warn}",
)
LABELS: Final = (
    "",
    "role: {aliases: [tier, app.kubernetes.io/component]}, require: [{label: team, oneOf: [payments, search]}]",
    "app: {label: app.kubernetes.io/name}, require: [{label: role, oneOf: [frontend, backend, data, x]}]",
    "require: [{label: app.kubernetes.io/component, oneOf: [worker, x]}]",
    "require: [{label: team, matches: '[a-z]+'}]",
    "role: {label: tier, aliases: [role]}",
)
CLAIMS: Final = (
    "",
    "roles: {data: {claim: {namespaces: [databases]}}}",
    "roles: {data: {claim: {serviceAccounts: [shop/data]}}, frontend: {claim: {namespaces: [edge]}}}",
    "roles: {frontend: {claim: {namespaces: [a]}}, backend: {claim: {namespaces: [a]}}, data: {claim: {namespaces: [a]}}}",
)
POLICIES: Final = [
    policy(
        f"{rules}\nworkloads: {{{', '.join(filter(None, (f'scope: {scope}, existingWorkloads: judge', labels, EXTRA)))}}}\n{claims}"
    )
    for rules in RULES
    for labels in LABELS
    for claims in CLAIMS
    for scope in SCOPES
]


@st.composite
def manifests(draw: st.DrawFn) -> Json:
    """Generate a workload of any kind, whose selector requires some of its template's labels, by value or by expression."""
    maker = draw(st.sampled_from(MAKERS))
    values = st.sampled_from((*VALUES, *REFUSED, *(NUMBERS if maker.custom else ())))
    labels = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
    own_labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from((*VALUES, *REFUSED)), max_size=5)
    made: Json = {
        "apiVersion": f"{maker.group}/v1".removeprefix("/"),
        "kind": maker.kind,
        "metadata": {"name": draw(st.sampled_from(["web", "Web_1.", "-"])), "namespace": "shop"},
    }
    if not maker.template:
        made["metadata"]["labels"] = draw(labels)
        return made
    made["metadata"]["labels"] = draw(own_labels)
    for template in draw(st.lists(st.sampled_from(maker.templates), min_size=1, unique=True)):
        pods = draw(labels)
        put(made, f"{template}.{maker.pod_metadata or 'metadata'}.labels", pods)
        if not maker.pod_metadata:
            put(made, f"{template}.spec.serviceAccountName", draw(st.sampled_from(["default", "data"])))
        if draw(st.booleans()):
            put(made, selector_beside(template), draw(selectors(pods, flat=maker.kind in FLAT)))
    return made


FLAT: Final = {"ReplicationController", "DeploymentConfig"}


@st.composite
def selectors(draw: st.DrawFn, labels: Mapping[str, Any], *, flat: bool) -> Json:
    """Generate a selector that matches labels."""
    texts = sorted(key for key, value in labels.items() if isinstance(value, str))
    kept = {key: labels[key] for key in texts if draw(st.booleans())}
    if flat:
        return kept
    absent = [key for key in KEYS if key not in labels and draw(st.integers(0, 6)) == 0]
    listed = [key for key in texts if key not in kept and draw(st.integers(0, 3)) == 0]
    expressions: list[Json] = [{"key": key, "operator": "DoesNotExist"} for key in absent]
    expressions += [{"key": key, "operator": "In", "values": [labels[key], "other"]} for key in listed]
    return {"matchLabels": kept, "matchExpressions": expressions}


def put(found: Json, path: str, value: Any) -> None:
    """Write a value at a path."""
    *outer, last = path.split(".")
    for key in outer:
        found = found.setdefault(key, {})
    found[last] = value


def at(found: Any, path: str) -> Any:
    """Return the value at a path; None where there is none."""
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def decided(manifest: Json, under: GuardPolicy) -> Decision:
    """Return the result of `catflap check` for an object."""
    [found] = [one for one in located_objects(yaml.safe_dump(manifest)) if isinstance(one, LocatedObject)]
    whole = read(found.value, default_namespace="shop", extra=under.workloads.extra_by_kind)
    return decide_offline(whole, under, refused_by_api_server(whole, found))


def choices(fix: tuple[Remedy, ...]) -> Iterator[list[str]]:
    """Yield the printed lines with each of their choices; a free choice gets a value."""
    lines = patch(fix)
    offered = {choice for remedy in fix for choice in remedy.choices}
    for choice in [None, *sorted(offered)]:
        taken = [take(line, choice) if choice is not None and choice in listed(line) else line for line in lines]
        yield [take(line, next(iter(listed(line)), "payments")) if ': ""  #' in line else line for line in taken]


def take(line: str, choice: str) -> str:
    """Return a line with a choice as its value."""
    key, _, _ = line.partition("  #")[0].rpartition(": ")
    return f'{key}: "{choice}"'


def listed(line: str) -> list[str]:
    """Return the choices in the comment of a line."""
    return line.rpartition(": ")[2].split(", ") if "  # o" in line else []


def applied(manifest: Any, change: Any) -> Any:
    """Return a manifest with the printed part merged into it."""
    if not isinstance(change, Mapping):
        return change
    return {**(manifest or {}), **{key: applied((manifest or {}).get(key), value) for key, value in change.items()}}


def maker_of(manifest: Json) -> PodMaker:
    """Return the kind of an object."""
    return BY_KIND.get((manifest["apiVersion"].rpartition("/")[0], manifest["kind"]), VM)


def broken_selectors(before: Json, after: Json) -> list[str]:
    """Return the selectors that matched their Pods before a fix, and do not after it."""
    maker = maker_of(before)
    return [
        template
        for template in (maker.templates if maker.template else ())
        if matches(at(before, selector_beside(template)), at(before, f"{template}.metadata.labels"))
        and not matches(at(after, selector_beside(template)), at(after, f"{template}.metadata.labels"))
    ]


def matches(selector: Any, labels: Any) -> bool:
    """Return whether a selector matches labels, as in the API server (apimachinery, pkg/apis/meta/v1, LabelSelectorAsSelector)."""
    selector, labels = selector or {}, labels or {}
    grouped = "matchLabels" in selector
    by_value = selector["matchLabels"] if grouped else selector
    expressions = selector["matchExpressions"] if grouped else []
    return all(labels.get(key) == value for key, value in by_value.items()) and all(
        (one["key"] not in labels) if one["operator"] == "DoesNotExist" else labels.get(one["key"]) in one["values"]
        for one in expressions
    )


def refused(decision: Decision) -> list[tuple[str, str]]:
    """Return the rules and paths of the violations that concern labels and cause a refusal."""
    return sorted({(one.rule, one.path) for one in decision.denied if one.rule in {*LABEL_RULES, "api-server"}})


@settings(LAW, max_examples=4 * LAW.max_examples)
@given(manifest=manifests(), under=st.sampled_from(POLICIES))
def test_a_printed_fix_mends_and_keeps_the_selectors(manifest: Json, under: GuardPolicy) -> None:
    """This holds for each of its choices; a sentence describes what no label can fix."""
    before = decided(manifest, under)
    if refused(before) and not before.fix:
        assert before.fix_notes
    for one in before.fix:
        assert all(VALUE.fullmatch(value) for value in (one.value, *one.choices) if value is not None), one
    for lines in choices(before.fix):
        change = yaml.safe_load("\n".join(lines)) or {}
        after = applied(copy.deepcopy(manifest), change)
        assert broken_selectors(manifest, after) == []
        left = decided(after, under)
        if not before.fix_notes:
            assert refused(left) == [], (lines, left.message)
        assert len(refused(left)) <= len(refused(before)), (lines, left.message)


@settings(LAW)
@given(manifest=manifests(), under=st.sampled_from(POLICIES))
def test_each_remedy_of_a_fault_is_one_of_the_fix(manifest: Json, under: GuardPolicy) -> None:
    """The JSON of `catflap check` has the same fix as its text."""
    found = decided(manifest, under)
    assert {one.remedy for one in found.denied if one.remedy} <= set(found.fix)


TANGLED = policy(
    "rules: {labels-agree: enforce}\nworkloads: {scope: both, role: {aliases: [tier, app.kubernetes.io/component]}, "
    "require: [{label: app.kubernetes.io/component, oneOf: [frontend, x]}, {label: tier, matches: 'w.*'}, {label: k8s-app, oneOf: [web]}]}\n"
    "roles: {frontend: {claim: {namespaces: [elsewhere]}}}"
)


@LAW
@given(manifest=manifests())
def test_requirements_that_contradict_each_other_end_in_a_message(manifest: Json) -> None:
    """If two settings of the policy file concern one label, there is still a fix, and it keeps the selectors."""
    before = decided(manifest, TANGLED)
    assert before.allowed or before.message
    for lines in choices(before.fix):
        after = applied(copy.deepcopy(manifest), yaml.safe_load("\n".join(lines)) or {})
        assert broken_selectors(manifest, after) == []
