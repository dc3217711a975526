"""What changes between two policy files: which keys, what they do to what stands, and which policies namespaces get."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from webhook.guard.closing import is_guarded
from webhook.guard.existing import Name
from webhook.guard.preview import Effect, Preview, Row, Setting
from webhook.model.policy import GuardPolicy
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

# A namespace of which no flow speaks by name.
ANY_NAMESPACE = "any-other"


class State(Struct, frozen=True):
    """What a rule does to an owner, and whether its Pods are admitted all the same; see `Row`."""

    effect: Effect
    keeps_running: bool


class Change(Struct, frozen=True):
    """What another policy file would do to an owner by one rule; None where the rule lets it pass."""

    owner: Name
    rule: str
    before: State | None
    after: State | None
    row: Row  # the new one, or the old one where there is none

    @property
    def is_newly_refused(self) -> bool:
        """Whether it would be refused, and was not."""
        was_refused = self.before is not None and self.before.effect is Effect.REFUSED
        return not was_refused and self.after is not None and self.after.effect is Effect.REFUSED


def changes(after: Preview, before: Preview) -> tuple[Change, ...]:
    """The owners and rules for which two policy files differ, in the order of namespaces."""
    new, old = ({(row.owner, row.rule): row for row in found.rows} for found in (after, before))
    return tuple(
        Change(owner, rule, state(old.get(place)), state(new.get(place)), new.get(place) or old[place])
        for place in sorted({*new, *old})
        for owner, rule in [place]
        if state(new.get(place)) != state(old.get(place))
    )


def state(row: Row | None) -> State | None:
    """What of a row can change."""
    return State(row.effect, row.keeps_running) if row else None


def differences(after: GuardPolicy, before: GuardPolicy, setting: Setting) -> tuple[str, ...]:
    """What differs between two policy files, in words: each key, which namespaces are closed, which policies they get."""
    old, new = (policy.model_dump(mode="json", by_alias=True) for policy in (before, after))
    closed = (f"namespaces that {words}: {', '.join(names)}" for words, names in closings(after, before, setting))
    return (*keys(new, old), *closed, *policies(after, before))


def keys(after: Mapping[str, Any], before: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each key whose value differs: `mode: enforce, was warn`; of a list, what comes and what goes."""
    for key in dict.fromkeys((*before, *after)):
        new, old = after.get(key), before.get(key)
        if new == old:
            continue
        if isinstance(new, dict) and isinstance(old, dict):
            yield from keys(new, old, f"{path}{key}.")
        elif isinstance(new, list) and isinstance(old, list):
            yield f"{path}{key}: {moved(new, old)}"
        else:
            yield f"{path}{key}: {said(new)}, was {said(old)}"


def moved(after: list[Any], before: list[Any]) -> str:
    """What comes to a list and what goes from it."""
    sides = (
        ("added", [one for one in after if one not in before]),
        ("removed", [one for one in before if one not in after]),
    )
    return "; ".join(f"{word} {', '.join(map(said, some))}" for word, some in sides if some) or "in another order"


def said(value: Any) -> str:
    """A value on one line."""
    match value:
        case None:
            return "not set"
        case bool():
            return str(value).lower()
        case dict():
            return f"{{{', '.join(f'{key}: {said(one)}' for key, one in value.items() if one not in (None, [], {}))}}}"
        case list():
            return f"[{', '.join(map(said, value))}]"
        case _:
            return str(value)


def closings(after: GuardPolicy, before: GuardPolicy, setting: Setting) -> Iterator[tuple[str, list[str]]]:
    """Which namespaces of the cluster are closed from then on, and which no longer."""
    if setting.namespaces is None or setting.closing is None:
        return
    new, old = (
        {
            name
            for name, found in setting.namespaces.items()
            if is_guarded(found, policy, closed_since=setting.closing, own_namespace=setting.own_namespace)
        }
        for policy in (after, before)
    )
    for words, some in (("will be closed", new - old), ("will be closed no longer", old - new)):
        if some:
            yield words, sorted(some)


def policies(after: GuardPolicy, before: GuardPolicy) -> Iterator[str]:
    """Which policies of a closed namespace come, go and change, for each engine that may write them.

    Looked at are the namespaces that flows name, one that none names, and that one in each environment.
    """
    environments = ("", *after.namespaces.environment.one_of, *before.namespaces.environment.one_of)
    named = sorted({*named_by_flows(after), *named_by_flows(before)})
    births = [RenderTarget(ANY_NAMESPACE, "", "", environment) for environment in dict.fromkeys(environments)]
    births += [RenderTarget(name, "", "") for name in named]
    told: set[tuple[str, str]] = set()
    for birth in births:
        by_engine = {engine: "; ".join(exchanged(after, before, birth, engine)) for engine in Engine}
        by_engine = {engine: change for engine, change in by_engine.items() if change}
        alike = len(by_engine) == len(Engine) and len(set(by_engine.values())) == 1
        for engine, change in by_engine.items():
            by = "" if alike else f", by {engine}"
            if (by, change) not in told:
                told.add((by, change))
                yield f"policies of {place(birth)}{by}: {change}"


def named_by_flows(policy: GuardPolicy) -> Iterable[str]:
    """The namespaces that flows name."""
    return (name for flow in policy.network.flows for end in (flow.source, flow.to) for name in end.namespaces)


def place(birth: RenderTarget) -> str:
    """Which namespaces are meant."""
    if birth.namespace != ANY_NAMESPACE:
        return f"namespace {birth.namespace}"
    return f"a namespace in {birth.environment}" if birth.environment else "a namespace"


def exchanged(after: GuardPolicy, before: GuardPolicy, birth: RenderTarget, engine: Engine) -> Iterator[str]:
    """Which policies of a namespace are written, changed and removed."""
    new, old = (written(policy, birth, engine) for policy in (after, before))
    sides = (
        ("written", new.keys() - old.keys()),
        ("changed", {name for name in new.keys() & old.keys() if new[name] != old[name]}),
        ("removed", old.keys() - new.keys()),
    )
    yield from (f"{word} {', '.join(sorted(some))}" for word, some in sides if some)


def written(policy: GuardPolicy, birth: RenderTarget, engine: Engine) -> Mapping[str, Any]:
    """The specs that an engine gets for a namespace, by name; none where the file wants another engine."""
    if policy.network.engine not in {"auto", engine}:
        return {}
    made = render_namespace(policy, birth, engine)
    return {f"{'staged ' if policy.network.staged else ''}{one['metadata']['name']}": one["spec"] for one in made}
