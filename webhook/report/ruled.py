"""List what a policy file and the webhook configurations exclude from the guard, and the exceptions of the file."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy


class LeftOut(Struct, frozen=True):
    """An exclusion: what the file excludes, and from what."""

    what: str
    which: str
    of: str


class Entry(Struct, frozen=True):
    """One entry of the webhook configurations: which requests the API server sends, and when it does not."""

    name: str
    phase: str
    requests: str
    fails: str
    conditions: tuple[tuple[str, str], ...]


class Exceptional(Struct, frozen=True):
    """One exception of the file, and its state."""

    rule: str
    namespace: str
    owner: str
    reason: str
    until: str
    state: str  # in force, ending or expired


def left_out(policy: GuardPolicy) -> Iterator[LeftOut]:
    """Yield all exclusions."""
    yield from freed_of_rules(policy)
    yield from freed_of_refusing(policy)
    yield from freed_of_closing(policy)


def freed_of_rules(policy: GuardPolicy) -> Iterator[LeftOut]:
    """Yield where and for whom no rule applies."""
    yield LeftOut("namespaces, by name or prefix", listed(policy.namespaces.exempted), "rules and isolation")
    for what, names in (
        ("users", policy.exempt.users),
        ("groups", policy.exempt.groups),
        ("ServiceAccounts", policy.exempt.service_accounts),
    ):
        if names:
            yield LeftOut(what, listed(names), "rules; the namespaces of their Pods are isolated nevertheless")
    yield LeftOut(
        "break-glass groups", listed(policy.break_glass.groups), "rules, and the protection of the policies of catflap"
    )
    if policy.workloads.existing == "admit":
        yield LeftOut("Pods of owners older than catflap", "workloads.existing: admit", "rules")


def freed_of_refusing(policy: GuardPolicy) -> Iterator[LeftOut]:
    """Yield where rules apply and do not refuse."""
    if policy.mode is not Mode.ENFORCE:
        yield LeftOut("every rule without its own mode", f"mode {policy.mode}", "rejections")
    for rule, mode in policy.rules.items():
        if mode is not Mode.ENFORCE:
            yield LeftOut(f"rule {rule}", f"mode {mode}", "rejections")
    for one in policy.namespaces.overrides:
        where = listed((*one.names, *(f"{key}={value}" for key, value in one.labels.items())))
        modes = (*((one.mode,) if one.mode else ()), *(f"{rule}: {mode}" for rule, mode in one.rules.items()))
        yield LeftOut("namespaces with an override", where, f"the modes of other namespaces: {listed(modes)} in these")


def freed_of_closing(policy: GuardPolicy) -> Iterator[LeftOut]:
    """Yield which namespaces stay open."""
    if policy.namespaces.adopt != "all":
        adopted = (
            policy.namespaces.adopt if isinstance(policy.namespaces.adopt, str) else listed(policy.namespaces.adopt)
        )
        yield LeftOut("namespaces older than catflap", f"namespaces.adopt: {adopted}", "closing, unless adopted")
    if policy.network.staged:
        yield LeftOut("all namespaces", "network.staged: true", "isolation: staged policies drop nothing")
    if policy.network.engine == "none":
        yield LeftOut("all namespaces", "network.engine: none", "closing")


def listed(names: Iterable[object]) -> str:
    """Return names as a list in one text."""
    return ", ".join(map(str, names)) or "nobody"


def entries(configurations: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    """Yield each entry of webhook configurations."""
    for configuration in configurations:
        phase = str(configuration["kind"]).removesuffix("WebhookConfiguration").lower()
        for hook in configuration["webhooks"]:
            conditions = tuple((one["name"], one["expression"]) for one in hook.get("matchConditions") or ())
            yield Entry(hook["name"], phase, requests_of(hook), hook["failurePolicy"], conditions)


def requests_of(hook: Mapping[str, Any]) -> str:
    """Return the resources and operations of an entry; each resource once."""
    resources = dict.fromkeys(resource for rule in hook["rules"] for resource in rule["resources"])
    operations = dict.fromkeys(operation for rule in hook["rules"] for operation in rule["operations"])
    return f"{', '.join(resources)}: {', '.join(operations)}"


def exceptions(policy: GuardPolicy, at: datetime) -> Iterator[Exceptional]:
    """Yield the file's exceptions; the first to end comes first."""
    for one in sorted(policy.exceptions, key=lambda one: one.until):
        counting = "ending" if one.ends_soon(at) else "in force"
        state = counting if one.counts(at) else "expired"
        yield Exceptional(one.rule, one.namespace, one.owner, one.reason, one.until.isoformat(), state)
