"""Differences between two policy files: keys, effects on existing objects, and the network policies of namespaces."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from webhook.admission.isolation import is_managed
from webhook.admission.owner_graph import ObjectName
from webhook.admission.preview import Effect, Preview, PreviewContext, PreviewRow
from webhook.model.policy import GuardPolicy
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

# Placeholder for all namespaces that no flow names.
ANY_NAMESPACE = "any-other"


class RuleOutcome(Struct, frozen=True):
    """The effect of a rule on an owner, and whether its Pods are admitted nevertheless; see `PreviewRow`."""

    effect: Effect
    keeps_running: bool


class OutcomeChange(Struct, frozen=True):
    """The change of one rule's outcome for an owner; an outcome is None if the rule finds no violation."""

    owner: ObjectName
    rule: str
    before: RuleOutcome | None
    after: RuleOutcome | None
    row: PreviewRow  # the new row, or the old row if there is no new one

    @property
    def is_newly_refused(self) -> bool:
        """Return whether only the new policy refuses the owner."""
        was_refused = self.before is not None and self.before.effect is Effect.REFUSED
        return not was_refused and self.after is not None and self.after.effect is Effect.REFUSED


def outcome_changes(after: Preview, before: Preview) -> tuple[OutcomeChange, ...]:
    """Return the owners and rules with different outcomes under two policy files, ordered by namespace."""
    new, old = ({(row.owner, row.rule): row for row in found.rows} for found in (after, before))
    return tuple(
        OutcomeChange(owner, rule, outcome_of(old.get(place)), outcome_of(new.get(place)), new.get(place) or old[place])
        for place in sorted({*new, *old})
        for owner, rule in [place]
        if outcome_of(new.get(place)) != outcome_of(old.get(place))
    )


def outcome_of(row: PreviewRow | None) -> RuleOutcome | None:
    """Return the outcome of a row; None without a row."""
    return RuleOutcome(row.effect, row.keeps_running) if row else None


def policy_differences(after: GuardPolicy, before: GuardPolicy, setting: PreviewContext) -> tuple[str, ...]:
    """Return the differences of two policy files as sentences: keys, isolated namespaces, and their network policies."""
    old, new = (policy.model_dump(mode="json", by_alias=True) for policy in (before, after))
    closed = (
        f"namespaces that {words}: {', '.join(names)}" for words, names in isolation_changes(after, before, setting)
    )
    return (*changed_keys(new, old), *closed, *network_policy_changes(after, before))


def changed_keys(after: Mapping[str, Any], before: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield each key with a different value: `mode: enforce, was warn`; for a list, the added and removed entries."""
    for key in dict.fromkeys((*before, *after)):
        new, old = after.get(key), before.get(key)
        if new == old:
            continue
        if isinstance(new, dict) and isinstance(old, dict):
            yield from changed_keys(new, old, f"{path}{key}.")
        elif isinstance(new, list) and isinstance(old, list):
            yield f"{path}{key}: {list_difference(new, old)}"
        else:
            yield f"{path}{key}: {one_line(new)}, was {one_line(old)}"


def list_difference(after: list[Any], before: list[Any]) -> str:
    """Return the added and removed entries of a list."""
    sides = (
        ("added", [one for one in after if one not in before]),
        ("removed", [one for one in before if one not in after]),
    )
    return "; ".join(f"{word} {', '.join(map(one_line, some))}" for word, some in sides if some) or "different order"


def one_line(value: Any) -> str:
    """Return a value on one line."""
    match value:
        case None:
            return "not set"
        case bool():
            return str(value).lower()
        case dict():
            return (
                f"{{{', '.join(f'{key}: {one_line(one)}' for key, one in value.items() if one not in (None, [], {}))}}}"
            )
        case list():
            return f"[{', '.join(map(one_line, value))}]"
        case _:
            return str(value)


def isolation_changes(
    after: GuardPolicy, before: GuardPolicy, setting: PreviewContext
) -> Iterator[tuple[str, list[str]]]:
    """Yield the namespaces of the cluster that the new policy starts or stops isolating."""
    if setting.namespaces is None or setting.isolation_since is None:
        return
    new, old = (
        {
            name
            for name, found in setting.namespaces.items()
            if is_managed(found, policy, isolation_since=setting.isolation_since, own_namespace=setting.own_namespace)
        }
        for policy in (after, before)
    )
    for words, some in (("will be isolated", new - old), ("will no longer be isolated", old - new)):
        if some:
            yield words, sorted(some)


def network_policy_changes(after: GuardPolicy, before: GuardPolicy) -> Iterator[str]:
    """Yield the network policies of managed namespaces that are written, changed and removed, for each engine.

    Compared are each namespace that flows name, one that no flow names, and that one in each environment.
    """
    environments = ("", *after.namespaces.environment.one_of, *before.namespaces.environment.one_of)
    named = sorted({*namespaces_in_flows(after), *namespaces_in_flows(before)})
    targets = [RenderTarget(ANY_NAMESPACE, "", "", environment) for environment in dict.fromkeys(environments)]
    targets += [RenderTarget(name, "", "") for name in named]
    reported: set[tuple[str, str]] = set()
    for target in targets:
        by_engine = {engine: "; ".join(changed_policies(after, before, target, engine)) for engine in PolicyEngine}
        by_engine = {engine: change for engine, change in by_engine.items() if change}
        alike = len(by_engine) == len(PolicyEngine) and len(set(by_engine.values())) == 1
        for engine, change in by_engine.items():
            by = "" if alike else f", by {engine}"
            if (by, change) not in reported:
                reported.add((by, change))
                yield f"policies of {namespace_text(target)}{by}: {change}"


def namespaces_in_flows(policy: GuardPolicy) -> Iterable[str]:
    """Return the namespaces that flows name."""
    return (name for flow in policy.network.flows for end in (flow.source, flow.to) for name in end.namespaces)


def namespace_text(target: RenderTarget) -> str:
    """Return a description of the namespaces."""
    if target.namespace != ANY_NAMESPACE:
        return f"namespace {target.namespace}"
    return f"a namespace in {target.environment}" if target.environment else "a namespace"


def changed_policies(
    after: GuardPolicy, before: GuardPolicy, target: RenderTarget, engine: PolicyEngine
) -> Iterator[str]:
    """Yield which policies of a namespace are written, changed and removed."""
    new, old = (rendered_specs(policy, target, engine) for policy in (after, before))
    sides = (
        ("written", new.keys() - old.keys()),
        ("changed", {name for name in new.keys() & old.keys() if new[name] != old[name]}),
        ("removed", old.keys() - new.keys()),
    )
    yield from (f"{word} {', '.join(sorted(some))}" for word, some in sides if some)


def rendered_specs(policy: GuardPolicy, target: RenderTarget, engine: PolicyEngine) -> Mapping[str, Any]:
    """Return the policy specs of a namespace for an engine, by name; empty if the policy file selects another engine."""
    if policy.network.engine not in {"auto", engine}:
        return {}
    made = render_namespace(policy, target, engine)
    return {f"{'staged ' if policy.network.staged else ''}{one['metadata']['name']}": one["spec"] for one in made}
