"""What changes between two policy files: which keys, what they do to what stands, and which policies namespaces get."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from webhook.guard.isolation import is_managed
from webhook.guard.owner_graph import ObjectName
from webhook.guard.preview import Effect, Preview, PreviewContext, PreviewRow
from webhook.model.policy import GuardPolicy
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth
from webhook.netpol.render import render

# A namespace of which no flow speaks by name.
ANY_NAMESPACE = "any-other"


class RuleOutcome(Struct, frozen=True):
    """What a rule does to an owner, and whether its Pods are admitted all the same; see `Row`."""

    effect: Effect
    keeps_running: bool


class OutcomeChange(Struct, frozen=True):
    """What another policy file would do to an owner by one rule; None where the rule lets it pass."""

    owner: ObjectName
    rule: str
    before: RuleOutcome | None
    after: RuleOutcome | None
    row: PreviewRow  # the new one, or the old one where there is none

    @property
    def is_newly_refused(self) -> bool:
        """Whether it would be refused, and was not."""
        was_refused = self.before is not None and self.before.effect is Effect.REFUSED
        return not was_refused and self.after is not None and self.after.effect is Effect.REFUSED


def outcome_changes(after: Preview, before: Preview) -> tuple[OutcomeChange, ...]:
    """The owners and rules for which two policy files differ, in the order of namespaces."""
    new, old = ({(row.owner, row.rule): row for row in found.rows} for found in (after, before))
    return tuple(
        OutcomeChange(owner, rule, outcome_of(old.get(place)), outcome_of(new.get(place)), new.get(place) or old[place])
        for place in sorted({*new, *old})
        for owner, rule in [place]
        if outcome_of(new.get(place)) != outcome_of(old.get(place))
    )


def outcome_of(row: PreviewRow | None) -> RuleOutcome | None:
    """What of a row can change."""
    return RuleOutcome(row.effect, row.keeps_running) if row else None


def policy_differences(after: GuardPolicy, before: GuardPolicy, setting: PreviewContext) -> tuple[str, ...]:
    """What differs between two policy files, in words: each key, which namespaces are closed, which policies they get."""
    old, new = (policy.model_dump(mode="json", by_alias=True) for policy in (before, after))
    closed = (
        f"namespaces that {words}: {', '.join(names)}" for words, names in isolation_changes(after, before, setting)
    )
    return (*changed_keys(new, old), *closed, *network_policy_changes(after, before))


def changed_keys(after: Mapping[str, Any], before: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each key whose value differs: `mode: enforce, was warn`; of a list, what comes and what goes."""
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
    """What comes to a list and what goes from it."""
    sides = (
        ("added", [one for one in after if one not in before]),
        ("removed", [one for one in before if one not in after]),
    )
    return "; ".join(f"{word} {', '.join(map(one_line, some))}" for word, some in sides if some) or "in another order"


def one_line(value: Any) -> str:
    """A value on one line."""
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
    """Which namespaces of the cluster are closed from then on, and which no longer."""
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
    for words, some in (("will be closed", new - old), ("will be closed no longer", old - new)):
        if some:
            yield words, sorted(some)


def network_policy_changes(after: GuardPolicy, before: GuardPolicy) -> Iterator[str]:
    """Which policies of a closed namespace come, go and change, for each engine that may write them.

    Looked at are the namespaces that flows name, one that none names, and that one in each environment.
    """
    environments = ("", *after.namespaces.environment.one_of, *before.namespaces.environment.one_of)
    named = sorted({*namespaces_in_flows(after), *namespaces_in_flows(before)})
    births = [Birth(ANY_NAMESPACE, "", "", environment) for environment in dict.fromkeys(environments)]
    births += [Birth(name, "", "") for name in named]
    told: set[tuple[str, str]] = set()
    for birth in births:
        by_engine = {engine: "; ".join(changed_policies(after, before, birth, engine)) for engine in Engine}
        by_engine = {engine: change for engine, change in by_engine.items() if change}
        alike = len(by_engine) == len(Engine) and len(set(by_engine.values())) == 1
        for engine, change in by_engine.items():
            by = "" if alike else f", by {engine}"
            if (by, change) not in told:
                told.add((by, change))
                yield f"policies of {namespace_text(birth)}{by}: {change}"


def namespaces_in_flows(policy: GuardPolicy) -> Iterable[str]:
    """The namespaces that flows name."""
    return (name for flow in policy.network.flows for end in (flow.source, flow.to) for name in end.namespaces)


def namespace_text(birth: Birth) -> str:
    """Which namespaces are meant."""
    if birth.namespace != ANY_NAMESPACE:
        return f"namespace {birth.namespace}"
    return f"a namespace in {birth.environment}" if birth.environment else "a namespace"


def changed_policies(after: GuardPolicy, before: GuardPolicy, birth: Birth, engine: Engine) -> Iterator[str]:
    """Which policies of a namespace are written, changed and removed."""
    new, old = (rendered_specs(policy, birth, engine) for policy in (after, before))
    sides = (
        ("written", new.keys() - old.keys()),
        ("changed", {name for name in new.keys() & old.keys() if new[name] != old[name]}),
        ("removed", old.keys() - new.keys()),
    )
    yield from (f"{word} {', '.join(sorted(some))}" for word, some in sides if some)


def rendered_specs(policy: GuardPolicy, birth: Birth, engine: Engine) -> Mapping[str, Any]:
    """The specs that an engine gets for a namespace, by name; none where the file wants another engine."""
    if policy.network.engine not in {"auto", engine}:
        return {}
    made = render(policy, birth, engine)
    return {f"{'staged ' if policy.network.staged else ''}{one['metadata']['name']}": one["spec"] for one in made}
