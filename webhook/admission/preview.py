"""Previews: what a policy would do to existing objects if each were created again, by owner and rule.

Only the rules are evaluated, by the same `decide` as in the server. Objects with a known owner are not checked separately,
because their owner would recreate them from its template. Custom rules about Pods alone do not apply to templates,
so they are evaluated for the Pods.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.decide import NO_CLOCK, decide
from webhook.admission.decision_message import with_refused_labels
from webhook.admission.isolation import is_managed
from webhook.admission.mutate import after_mutation
from webhook.admission.owner_graph import BUILT_IN_GROUPS, ExistingObject, ObjectName, OwnerGraph, PodOwner
from webhook.model.decision import Decision, Unchecked
from webhook.model.kinds import POD
from webhook.model.namespace import Namespace
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Violation
from webhook.model.steps import OFFLINE_RESULTS, ManagedLookup, NamespaceData, NamespaceLookup, Results, complete
from webhook.model.workload import Owner


class Effect(StrEnum):
    """The effect of a rule's violations on the creation of an object."""

    REFUSED = "refused"
    WARNED = "warned"
    RECORDED = "recorded"


class PreviewContext(Struct, frozen=True):
    """Data about the cluster of the objects.

    `namespaces` is None if there is no cluster or it cannot be read; then all namespaces count as managed, as in `check`.
    `contents` has the namespaces as custom rules read them. Owners older than `installed` keep running. Namespaces older than
    `isolation_since` are not isolated unless the policy file includes them.
    """

    own_namespace: str = ""
    at: datetime = NO_CLOCK
    namespaces: Mapping[str, Namespace] | None = None
    installed: datetime | None = None
    isolation_since: datetime | None = None
    contents: Mapping[str, Mapping[str, Any]] = {}

    def results(self, name: str, policy: GuardPolicy) -> Results:
        """Return the results of lookups for objects of a namespace."""
        found = (self.namespaces or {}).get(name)
        if found is None:
            return OFFLINE_RESULTS
        managed = self.isolation_since is None or is_managed(
            found, policy, isolation_since=self.isolation_since, own_namespace=self.own_namespace
        )
        namespace = NamespaceData(found.labels, self.contents.get(name))
        return {**OFFLINE_RESULTS, ManagedLookup: managed, NamespaceLookup: namespace}


class PreviewRow(Struct, frozen=True):
    """The effect of one rule on one owner.

    `keeps_running` means that its Pods are still admitted, because the owner is older than catflap and unchanged.
    `pods` is the number of running Pods with the violation. `api_version` and `uid` identify the object if they
    are known.
    """

    owner: ObjectName
    rule: str
    effect: Effect
    faults: tuple[Violation, ...]
    pods: int = 0
    keeps_running: bool = False
    api_version: str = ""
    uid: str = ""


class Preview(Struct, frozen=True):
    """The effects of a policy file, with one row for each owner and rule, ordered by namespace, and the number of checked objects.

    `unchecked` are the custom rules that were not evaluated for every object; `owners_in` counts owners by namespace.
    """

    rows: tuple[PreviewRow, ...]
    objects: int
    owners: int
    unchecked: tuple[Unchecked, ...] = ()
    owners_in: Mapping[str, int] = {}


def preview(
    objects: Iterable[ExistingObject], policies: Iterable[GuardPolicy], setting: PreviewContext
) -> tuple[Preview, ...]:
    """Return one preview for each policy, of the same objects. Objects are read one by one and not kept."""
    graph = OwnerGraph()
    tallies = [ViolationTally(policy, setting, graph) for policy in policies]
    for one in objects:
        graph.add(one)
        for tally in tallies:
            tally.add(one)
    roots = graph.root_owners()
    owners_in = Counter(roots.values())
    return tuple(Preview(tally.rows(), graph.objects, len(roots), tally.unchecked, owners_in) for tally in tallies)


class ObjectViolations(Struct, frozen=True):
    """The violations of one object, or of the Pods of an owner, by rule."""

    name: ObjectName
    key: str
    owner: Owner | None
    faults: Mapping[str, tuple[Effect, tuple[Violation, ...]]]
    is_pod: bool
    pods: int = 0
    api_version: str = ""
    uid: str = ""


class RootOwner(NamedTuple):
    """The topmost owner, to which violations are attributed."""

    name: ObjectName
    api_version: str
    uid: str


class ViolationTally:
    """The violations of all objects under one policy."""

    def __init__(self, policy: GuardPolicy, setting: PreviewContext, graph: OwnerGraph) -> None:
        self._policy = policy
        self._setting = setting
        self._graph = graph
        self._found: dict[tuple[str, tuple[str, ...]], ObjectViolations] = {}
        self._unchecked: set[Unchecked] = set()
        self._about_pods_alone = {rule.id for rule in policy.custom if set(rule.resources) == {POD.resource}}

    def add(self, one: ExistingObject) -> None:
        """Check one object, unless its owner is already known."""
        if one.is_pod and not self._about_pods_alone and self._graph.has_owner(one.owner, one.name.namespace):
            return
        decision = self.decision(one)
        self._unchecked.update(decision.unchecked)
        faults = effects_by_rule(decision)
        if not faults:
            return
        key = one.owner.uid if one.is_pod and one.owner else one.key
        place = (key, tuple(faults))
        before = self._found.get(place)
        pods = (before.pods if before else 0) + one.running
        self._found[place] = ObjectViolations(
            one.name, key, one.owner, faults, is_pod=one.is_pod, pods=pods, api_version=one.api_version, uid=one.uid
        )

    def decision(self, one: ExistingObject) -> Decision:
        """Return the decision of catflap and the API server on the creation of the object, without a message, which no preview shows."""
        results = self._setting.results(one.name.namespace, self._policy)
        own, at = self._setting.own_namespace, self._setting.at
        request = after_mutation(one.creation, self._policy)
        decision = complete(decide(request, self._policy, own_namespace=own, at=at), results)
        return with_refused_labels(decision, one.refused)

    @property
    def unchecked(self) -> tuple[Unchecked, ...]:
        """Return the custom rules that were not evaluated for every object."""
        return tuple(sorted(self._unchecked))

    def rows(self) -> tuple[PreviewRow, ...]:
        """Return the rows, ordered by owner and rule."""
        rows: dict[tuple[ObjectName, str], PreviewRow] = {}
        for found in sorted(self._found.values(), key=lambda one: (one.is_pod, one.name)):
            for row in self._rows_of(found):
                place = (row.owner, row.rule)
                rows[place] = merged_row(rows[place], row) if place in rows else row
        return tuple(rows[place] for place in sorted(rows))

    def _rows_of(self, found: ObjectViolations) -> Iterator[PreviewRow]:
        owned = self._graph.has_owner(found.owner, found.name.namespace)
        pods = found.pods if found.is_pod else self._graph.running[found.key]
        if owned and not pods:
            return  # an old ReplicaSet of a rollout, for example
        chain = list(self._graph.owner_chain(found.key))
        root = root_owner_of(chain[-1] if chain else found)
        keeps = self._keeps_running(chain)
        for rule, (effect, faults) in found.faults.items():
            if owned and found.is_pod and rule not in self._about_pods_alone:
                continue  # its owner would recreate it from its template
            spared = keeps and effect is Effect.REFUSED
            yield PreviewRow(
                root.name, rule, effect, faults, pods,
                keeps_running=spared, api_version=root.api_version, uid=root.uid,
            )  # fmt: skip

    def _keeps_running(self, chain: list[PodOwner]) -> bool:
        """Return whether the Pods of an owner are admitted because its topmost owner is older than catflap."""
        installed = self._setting.installed
        if self._policy.workloads.existing_workloads != "admit" or installed is None or not chain:
            return False
        created = chain[-1].created
        return chain[0].name.group in BUILT_IN_GROUPS and created is not None and created < installed


def root_owner_of(found: ObjectViolations | PodOwner) -> RootOwner:
    """Return the topmost owner, also if only an ownerReference names it."""
    name, owner = found.name, found.owner
    if owner is None:
        return RootOwner(name, found.api_version, found.uid)
    group = owner.api_version.rpartition("/")[0]
    return RootOwner(ObjectName(name.namespace, owner.kind, owner.name, group), owner.api_version, owner.uid)


def effects_by_rule(decision: Decision) -> Mapping[str, tuple[Effect, tuple[Violation, ...]]]:
    """Return the effect and the violations of each rule in a decision."""
    found: dict[str, tuple[Effect, tuple[Violation, ...]]] = {}
    sides = ((Effect.REFUSED, decision.denied), (Effect.WARNED, decision.warned), (Effect.RECORDED, decision.audited))
    for effect, violations in sides:
        for violation in violations:
            worst, so_far = found.get(violation.rule, (effect, ()))
            found[violation.rule] = (worst, (*so_far, violation))
    return found


def merged_row(one: PreviewRow, other: PreviewRow) -> PreviewRow:
    """Return the sum of two rows of one owner and rule, such as those of a Deployment and its ReplicaSet, with the text of the first."""
    return replace(one, pods=one.pods + other.pods, keeps_running=one.keeps_running and other.keeps_running)
