"""Previews of a policy file for existing objects: violations, their owners, and what keeps running."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tests.unit.samples import policy
from webhook.admission.owner_graph import ExistingObject, ObjectName
from webhook.admission.preview import Effect, Preview, PreviewContext, PreviewRow, preview
from webhook.model.namespace import Namespace
from webhook.review.existing_objects import existing_object

Json = dict[str, Any]

INSTALLED: Final = datetime(2026, 6, 1, tzinfo=UTC)
OLDER, YOUNGER = INSTALLED - timedelta(days=1), INSTALLED + timedelta(days=1)
GOOD: Final = {"app": "web", "role": "frontend"}
ROLELESS: Final = {"app": "web"}
VERSIONS: Final = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
WEB: Final = ObjectName("shop", "Deployment", "web", "apps")


def stored(kind: str, name: str, labels: Mapping[str, str], *, owner: Json | None = None, **more: Any) -> Json:
    """Return an object as the API server has it; its uid is its kind and name, and `owner` is another one."""
    metadata: Json = {"name": name, "namespace": "shop", "uid": f"{kind}-{name}", "creationTimestamp": stamp(OLDER)}
    if owner:
        reference = {key: owner["metadata"][key] for key in ("name", "uid")}
        kind_of_owner = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
        metadata["ownerReferences"] = [{**kind_of_owner, **reference, "controller": True}]
    template: Json = {"metadata": {"labels": dict(labels)}, "spec": more.pop("spec", {})}
    body = {
        "Pod": {"spec": template["spec"]},
        "CronJob": {"spec": {"jobTemplate": {"spec": {"template": template}}}},
    }.get(kind, {"spec": {"template": template}})
    if kind == "Pod":
        metadata["labels"] = dict(labels)
    return {"apiVersion": VERSIONS.get(kind, "apps/v1"), "kind": kind, "metadata": {**metadata, **more}, **body}


def stamp(at: datetime) -> str:
    """Return a creationTimestamp."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def seen(*objects: Json) -> list[ExistingObject]:
    """Return the objects as they are read."""
    return [existing_object(one, default_namespace="") for one in objects]


def previewed(*objects: Json, text: str = "", **setting: Any) -> Preview:
    """Return what a policy file with these lines would do to the objects."""
    [found] = preview(seen(*objects), [policy(text)], PreviewContext(**{"installed": INSTALLED, **setting}))
    return found


def told(*objects: Json, **options: Any) -> list[tuple[str, str, str, int]]:
    """Return the rows, in short: owner, rule, effect, Pods."""
    return [in_short(row) for row in previewed(*objects, **options).rows]


def in_short(row: PreviewRow) -> tuple[str, str, str, int]:
    """Return a row without its words."""
    return f"{row.owner.kind}/{row.owner.name}", row.rule, str(row.effect), row.pods


def rollout(deployment: Mapping[str, str], *replicasets: tuple[Mapping[str, str], int]) -> list[Json]:
    """Return a Deployment with its ReplicaSets, each of so many Pods."""
    top = stored("Deployment", "web", deployment)
    made = [top]
    for number, (labels, pods) in enumerate(replicasets):
        middle = stored("ReplicaSet", f"web-{number}", labels, owner=top)
        made += [middle, *(stored("Pod", f"web-{number}-{pod}", labels, owner=middle) for pod in range(pods))]
    return made


FAMILIES = [
    pytest.param(rollout(ROLELESS, (ROLELESS, 3)), [("Deployment/web", "require-role", "refused", 3)], id="a rollout"),
    pytest.param(rollout(GOOD, (GOOD, 3)), [], id="a good one"),
    pytest.param(rollout(GOOD, (ROLELESS, 0), (GOOD, 2)), [], id="what a rollout left behind"),
    pytest.param(
        rollout(GOOD, (ROLELESS, 1), (GOOD, 2)), [("Deployment/web", "require-role", "refused", 1)], id="amid a rollout"
    ),
    pytest.param(rollout(ROLELESS), [("Deployment/web", "require-role", "refused", 0)], id="one that runs nothing"),
    pytest.param(
        [
            top := stored("CronJob", "nightly", ROLELESS),
            stored("Job", "nightly-1", ROLELESS, owner=top),
        ],
        [("CronJob/nightly", "require-role", "refused", 0)],
        id="a CronJob whose Job has ended",
    ),
    pytest.param(
        [top := stored("StatefulSet", "db", GOOD), stored("Pod", "db-0", {}, owner=top)],
        [],
        id="a Pod whose labels were taken off: its template makes it good again",
    ),
    pytest.param([stored("Pod", "lone", ROLELESS)], [("Pod/lone", "require-role", "refused", 1)], id="a Pod of nobody"),
    pytest.param(
        [stored("ReplicaSet", f"x-{n}", ROLELESS, owner=stored("Rollout", "x", {})) for n in range(2)],
        [("Rollout/x", "require-role", "refused", 0)],
        id="an owner of a kind that is not listed",
    ),
    pytest.param(
        [stored("Pod", f"x-{n}", ROLELESS, owner=stored("Machine", "x", {})) for n in range(3)],
        [("Machine/x", "require-role", "refused", 3)],
        id="Pods of such an owner",
    ),
    pytest.param(
        [stored("Deployment", "a", {}), stored("Deployment", "b", {})],
        [(f"Deployment/{name}", rule, "refused", 0) for name in "ab" for rule in ("require-app", "require-role")],
        id="several owners and rules",
    ),
]


@pytest.mark.parametrize(("objects", "rows"), FAMILIES)
def test_faults_are_laid_to_the_topmost_owner(objects: list[Json], rows: list[tuple[str, str, str, int]]) -> None:
    """A Pod that would be recreated from a valid template has no violation."""
    assert told(*objects) == rows


@pytest.mark.parametrize(("objects", "rows"), FAMILIES)
def test_the_order_of_the_objects_says_nothing(objects: list[Json], rows: list[tuple[str, str, str, int]]) -> None:
    """Files are in any."""
    for seed in range(5):
        shuffled = random.Random(seed).sample(objects, len(objects))
        assert told(*shuffled) == rows
        assert previewed(*shuffled).owners == previewed(*objects).owners


@pytest.mark.parametrize(
    ("objects", "owners"),
    [
        pytest.param(rollout(GOOD, (GOOD, 3), (GOOD, 0)), 1, id="a rollout"),
        pytest.param([stored("Pod", "a", GOOD), stored("Pod", "b", GOOD)], 2, id="lone Pods"),
        pytest.param(
            [stored("ReplicaSet", f"x-{n}", GOOD, owner=stored("Rollout", "x", {})) for n in range(2)], 1, id="unlisted"
        ),
        pytest.param(
            [stored("Pod", f"x-{n}", GOOD, owner=stored("Machine", "x", {})) for n in range(3)], 1, id="Pods of such"
        ),
    ],
)
def test_owners_are_counted_once(objects: list[Json], owners: int) -> None:
    """Each with all that it made."""
    found = previewed(*objects)
    assert (found.objects, found.owners) == (len(objects), owners)


def test_pods_that_have_ended_are_not_counted() -> None:
    """No controller recreates them."""
    top = stored("Job", "once", ROLELESS)
    ended = [{**stored("Pod", f"once-{n}", ROLELESS, owner=top), "status": {"phase": "Succeeded"}} for n in range(2)]
    assert told(top, *ended, stored("Pod", "once-9", ROLELESS, owner=top)) == [
        ("Job/once", "require-role", "refused", 1)
    ]


@pytest.mark.parametrize(
    ("created", "text", "setting", "keeps"),
    [
        pytest.param(OLDER, "", {}, True, id="older than catflap"),
        pytest.param(YOUNGER, "", {}, False, id="younger"),
        pytest.param(INSTALLED, "", {}, False, id="of the same second"),
        pytest.param(OLDER, "workloads: {existingWorkloads: judge}", {}, False, id="older, and judged all the same"),
        pytest.param(OLDER, "", {"installed": None}, False, id="where nobody knows since when catflap is there"),
    ],
)
def test_who_keeps_running(created: datetime, text: str, setting: Json, *, keeps: bool) -> None:
    """The topmost owner's age counts, not that of the ReplicaSet."""
    objects = rollout(ROLELESS, (ROLELESS, 1))
    objects[0]["metadata"]["creationTimestamp"] = stamp(created)
    objects[1]["metadata"]["creationTimestamp"] = stamp(YOUNGER)
    [row] = previewed(*objects, text=text, **setting).rows
    assert (row.owner, row.effect, row.keeps_running) == (WEB, Effect.REFUSED, keeps)


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([stored("Pod", "lone", ROLELESS)], id="a Pod that nobody makes anew"),
        pytest.param([stored("Pod", "x", ROLELESS, owner=stored("Machine", "x", {}))], id="one of an unknown owner"),
    ],
)
def test_what_has_no_known_owner_does_not(objects: list[Json]) -> None:
    """Whatever its own age."""
    [row] = previewed(*objects).rows
    assert not row.keeps_running


def test_all_that_an_owner_made_has_to_be_older() -> None:
    """Where its own age is not known."""
    rollout = stored("Rollout", "x", {})
    old = stored("ReplicaSet", "x-1", ROLELESS, owner=rollout)
    new = stored("ReplicaSet", "x-2", ROLELESS, owner=rollout, creationTimestamp=stamp(YOUNGER))
    assert [row.keeps_running for row in previewed(old).rows] == [True]
    assert [row.keeps_running for row in previewed(old, new).rows] == [False]


def test_vendors_controllers_are_not_believed() -> None:
    """Their Pods are judged like anybody's: only Kubernetes' own controllers are known by their user."""
    [found] = seen(stored("DaemonSet", "agent", ROLELESS))
    target = replace(found.creation.target, group="apps.example.com")
    vendors = replace(found, creation=replace(found.creation, target=target))
    for one, keeps in ((found, True), (vendors, False)):
        [result] = preview([one], [policy()], PreviewContext(installed=INSTALLED))
        assert [row.keeps_running for row in result.rows] == [keeps]


def test_a_mode_of_labelled_namespaces_counts() -> None:
    """By the labels that they have."""
    text = "namespaces: {overrides: [{labels: {tier: lab}, mode: warn}]}"
    for labels, effect in (({"tier": "lab"}, "warned"), ({}, "refused")):
        there = {"shop": Namespace("shop", "1", labels, OLDER, terminating=False)}
        assert [row[2] for row in told(stored("Deployment", "web", ROLELESS), text=text, namespaces=there)] == [effect]


def test_a_forged_ring_of_owners_ends() -> None:
    """Anyone can write one."""
    one, other = stored("ReplicaSet", "one", ROLELESS), stored("ReplicaSet", "other", ROLELESS)
    ring = [
        stored("ReplicaSet", "one", ROLELESS, owner=other),
        stored("ReplicaSet", "other", ROLELESS, owner=one),
        stored("Pod", "p", ROLELESS, owner=one),
    ]
    assert sum(pods for *_, pods in told(*ring)) == 1


def test_an_owner_in_another_namespace_is_none() -> None:
    """Kubernetes does not take it for one either."""
    top = stored("Deployment", "web", GOOD)
    elsewhere = stored("ReplicaSet", "web-1", ROLELESS, owner=top, namespace="other")
    [row] = previewed(top, elsewhere).rows
    assert row.owner == ObjectName("other", "Deployment", "web", "apps")


def test_a_static_pod_is_admitted() -> None:
    """As the kubelet's word on one that runs is."""
    mirror = stored("Pod", "apiserver", {}, annotations={"kubernetes.io/config.mirror": "1"})
    assert told(mirror) == []


@pytest.mark.parametrize(
    ("text", "effects"),
    [
        pytest.param("mode: warn", ["warned"], id="warn"),
        pytest.param("mode: audit", ["recorded"], id="audit"),
        pytest.param("mode: off", [], id="off"),
        pytest.param("namespaces: {exempt: [shop]}", [], id="exempt"),
        pytest.param(
            "exceptions: [{rule: require-role, namespace: shop, owner: a, reason: b, until: 2026-06-30}]",
            ["recorded"],
            id="an exception",
        ),
    ],
)
def test_an_effect_is_the_servers_own(text: str, effects: list[str]) -> None:
    """By the same function that the server asks."""
    found = previewed(stored("Deployment", "web", ROLELESS), text=text, at=INSTALLED)
    assert [str(row.effect) for row in found.rows] == effects
    assert not any(row.keeps_running for row in found.rows)


@pytest.mark.parametrize(
    ("created", "text", "rows"),
    [
        pytest.param(OLDER, "", 0, id="older, so open"),
        pytest.param(OLDER, "namespaces: {includeExisting: all}", 1, id="included by the new file"),
        pytest.param(YOUNGER, "", 1, id="guarded"),
        pytest.param(YOUNGER, "network: {engine: none}", 0, id="nothing is closed"),
    ],
)
def test_some_rules_hold_in_guarded_namespaces_only(created: datetime, text: str, rows: int) -> None:
    """Under the file that is asked about."""
    there = {"shop": Namespace("shop", "1", {}, created, terminating=False)}
    agent = stored("DaemonSet", "agent", GOOD, spec={"hostNetwork": True})
    assert len(told(agent, text=text, namespaces=there, isolation_since=INSTALLED)) == rows


@pytest.mark.parametrize(
    "setting",
    [
        {"namespaces": {"shop": Namespace("shop", "1", {}, OLDER, terminating=False)}, "isolation_since": None},
        {"namespaces": {}, "isolation_since": INSTALLED},
    ],
)
def test_in_doubt_a_namespace_is_guarded(setting: Json) -> None:
    """An unneeded warning is better than a missing one."""
    assert len(told(stored("DaemonSet", "agent", GOOD, spec={"hostNetwork": True}), **setting)) == 1


def test_network_policies_are_judged_as_well() -> None:
    """With the object itself as its owner."""
    opening = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": "shop", "uid": "1"},
        "spec": {"podSelector": {}, "ingress": [{}, {}]},
    }
    [row] = previewed(opening).rows
    assert (str(row.owner), row.rule, row.effect) == ("NetworkPolicy shop/open", "no-open-policy", Effect.WARNED)
    assert [fault.path for fault in row.faults] == ["spec.ingress[0]", "spec.ingress[1]"]


def test_a_pod_is_judged_with_the_labels_that_it_would_get() -> None:
    """The mutating phase comes before the rules."""
    by_alias = {"k8s-app": "web", "role": "frontend"}
    text = "workloads: {require: [{label: app, matches: '.+'}]}"
    assert told(stored("Pod", "lone", by_alias), text=text) == []
    assert told(stored("Pod", "lone", {"role": "frontend"}), text=text) != []


def test_kinds_of_the_same_name_are_distinguished() -> None:
    """Both engines' policies may have one name."""
    spec = {"ingress": [{"action": "Allow"}]}
    metadata = {"name": "open", "namespace": "shop"}
    calico = {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    plain = {**calico, "apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}, "ingress": [{}]}}
    assert [str(row.owner) for row in previewed(calico, plain).rows] == [
        "NetworkPolicy shop/open",
        "NetworkPolicy.projectcalico.org shop/open",
    ]


def test_objects_are_not_kept() -> None:
    """They are taken one by one, once for all policy files."""
    taken = iter(seen(*rollout(ROLELESS, (ROLELESS, 2))))
    strict, mild = preview(taken, [policy(), policy("mode: warn")], PreviewContext())
    assert [str(row.effect) for found in (strict, mild) for row in found.rows] == ["refused", "warned"]
    assert strict.objects == mild.objects == 4


class TestCustomRules:
    """They are asked as the built-in ones are."""

    def test_a_workload_is_judged_as_a_whole(self) -> None:
        """Not its labels alone."""
        text = 'custom: [{id: mine, resources: [workloads], cel: "has(object.spec.replicas)"}]'
        assert told(stored("Deployment", "web", GOOD), text=text) == [("Deployment/web", "mine", "refused", 0)]

    @pytest.mark.parametrize("backwards", [False, True])
    def test_what_is_about_pods_alone_is_asked_of_each(self, *, backwards: bool) -> None:
        """For all owners, because a template is no Pod. Other rules check the template, in any order of the objects."""
        objects = rollout(ROLELESS, (ROLELESS, 2))
        text = "custom: [{id: mine, resources: [pods], cel: \"object.kind != 'Pod'\"}]"
        assert told(*(reversed(objects) if backwards else objects), text=text) == [
            ("Deployment/web", "mine", "refused", 2),
            ("Deployment/web", "require-role", "refused", 2),
        ]

    def test_the_namespace_is_read_where_it_is_known(self) -> None:
        """Otherwise the rule is listed as not evaluated."""
        text = "custom: [{id: mine, resources: [deployments], cel: \"namespaceObject.metadata.name == 'x'\"}]"
        one = stored("Deployment", "web", GOOD)
        namespaces = {"shop": Namespace("shop", "1", {}, OLDER, terminating=False)}
        contents = {"shop": {"metadata": {"name": "shop"}}}
        assert [one.rule for one in previewed(one, text=text).unchecked] == ["mine"]
        found = previewed(one, text=text, namespaces=namespaces, contents=contents)
        assert [row.rule for row in found.rows] == ["mine"]
        assert found.unchecked == ()
