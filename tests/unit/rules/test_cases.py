"""Every rule by its cases: manifests as users write them, each with the faults that its first lines name.

A new rule needs a folder of cases with both outcomes; a new case is a new file. Nothing here has to be edited.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.reviews import RESOURCES, encoded
from webhook.admission.judge import judge
from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.model.kinds import BY_KIND, KUBERNETES_OWN, POLICIES_BY_KIND, POLICY_KINDS
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.model.workload import Relabelling, Workload
from webhook.review.decode import decode
from webhook.review.manifests import Manifest, documents, read
from webhook.rules import RULES

FOLDER: Final = Path(__file__).parents[2] / "cases" / "rules"
OUTCOMES: Final = ("allow", "deny")
BUILT_IN: Final = {(maker.group, maker.kind) for maker in KUBERNETES_OWN}
CASES: Final = sorted(FOLDER.glob("*/*/*.yaml"))
EXPECTATION: Final = re.compile(r"# ([a-z-]+): (\S.*)")


def name(case: Path) -> str:
    """Return a case's path below the folder, without its suffix."""
    return str(case.relative_to(FOLDER).with_suffix(""))


def expected(case: Path) -> list[tuple[str, str]]:
    """Return the faults that the leading comment lines name: rule and field path, in order."""
    found = []
    for line in case.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        match = EXPECTATION.fullmatch(line)
        assert match, f"{name(case)}: a leading comment says '# RULE: FIELD PATH', got {line!r}"
        found.append((match[1], match[2]))
    return found


def contents(case: Path) -> tuple[GuardPolicy, list[Any]]:
    """Return the policy, which is the first document where that is a GuardPolicy, and the objects."""
    text = case.read_text(encoding="utf-8")
    found = list(documents(text))
    if found[0]["kind"] != "GuardPolicy":
        return parse(DEFAULT_POLICY).policy, found
    return parse(text.partition("---\n")[0]).policy, found[1:]


def subjects(case: Path) -> Iterator[Workload | PolicyObject | Relabelling]:
    """Yield each object that a rule may be about, as `catflap check` reads it; of a change, the Pod before and after."""
    found = [one.subject for one in objects(case)]
    if RULES[case.parts[-3]].about is Relabelling:
        before, after = (one.places[0] for one in found if isinstance(one, Workload))
        yield Relabelling(before, after)
    else:
        yield from (one for one in found if one is not None)


def objects(case: Path) -> Iterator[Manifest]:
    """Yield each object, as `catflap check` reads it."""
    policy, found = contents(case)
    for document in found:
        yield read(document, default_namespace="shop", extra=policy.workloads.extra_by_kind)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_case_has_exactly_the_faults_that_it_names(case: Path) -> None:
    """In the order of the objects; what other rules say about them is no matter here."""
    rule = case.parts[-3]
    policy, _ = contents(case)
    found = [fault for subject in subjects(case) for fault in judge(subject, policy) if fault.rule == rule]
    assert [(fault.rule, fault.path) for fault in found] == expected(case)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_case_is_where_it_belongs(case: Path) -> None:
    """Denied for something, or allowed."""
    assert bool(expected(case)) == (case.parts[-2] == "deny")


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_server_reads_a_case_as_check_does(case: Path) -> None:
    """As JSON in a review and as YAML in a file, an object is the same workload or policy."""
    policy, found = contents(case)
    for document, offline in zip(found, objects(case), strict=True):
        if offline.subject is not None:
            body = encoded(document, namespace=offline.namespace)
            assert decode(body, policy.workloads.extra_by_resource).subject == offline.subject


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_rule_has_cases_of_each_outcome(outcome: str) -> None:
    """And no cases are kept for a rule that is gone."""
    assert {case.parts[-3] for case in CASES if case.parts[-2] == outcome} == set(RULES)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("rule", RULES)
def test_the_cases_of_a_rule_have_every_built_in_kind(rule: str, outcome: str) -> None:
    """Each kind has its labels at another place, or could have; tests/matrix.py makes the objects of kinds without a case."""
    found = {kind for case in CASES if case.parts[-3:-1] == (rule, outcome) for kind in kinds(case)}
    about = RULES[rule].about
    if about is PolicyObject:
        acting = {kind.kind for kind in POLICY_KINDS if not kind.staged}
        assert {kind for _, kind in found} - {"StagedNetworkPolicy"} == acting
    elif about is Relabelling:
        assert found == {("", "Pod")}
    elif (rule, outcome) == (
        "labels-agree",
        "deny",
    ):  # a Pod is its own template: it has no labels other than those of its Pods
        assert BUILT_IN - {("", "Pod")} <= found <= BY_KIND.keys()
    else:
        assert BUILT_IN <= found <= BY_KIND.keys()


def kinds(case: Path) -> Iterator[tuple[str, str]]:
    """Group and kind of each object that a rule may be about, but for those that the case's own policy adds."""
    extra = contents(case)[0].workloads.extra_by_kind
    for found in objects(case):
        kind = (found.api_version.rpartition("/")[0], found.kind)
        if found.subject is not None and kind not in extra:
            yield kind


def test_no_stray_file_is_among_the_cases() -> None:
    """No test would run a case file in the wrong folder."""
    assert [path for path in FOLDER.rglob("*") if path.is_file() and path not in CASES] == []
    assert {case.parts[-2] for case in CASES} == set(OUTCOMES)


def test_every_kind_has_its_resource_in_the_reviews() -> None:
    """The reviews that tests send know each kind that makes Pods."""
    assert {maker.kind for maker in KUBERNETES_OWN} <= RESOURCES.keys()
    assert {kind.kind for kind in POLICY_KINDS} == {kind for _, kind in POLICIES_BY_KIND}
