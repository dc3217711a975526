"""List what a policy file and the webhook configurations exclude from the guard, and the exceptions of the file."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy


class Exclusion(Struct, frozen=True):
    """An exclusion: what the file excludes, and from what."""

    what: str
    which: str
    of: str


class WebhookSummary(Struct, frozen=True):
    """One entry of the webhook configurations: which requests the API server sends, and when it does not."""

    name: str
    phase: str
    requests: str
    fails: str
    conditions: tuple[tuple[str, str], ...]


class ExceptionSummary(Struct, frozen=True):
    """One exception of the file, and its state."""

    rule: str
    namespace: str
    owner: str
    reason: str
    until: str
    state: str  # in force, ending or expired


def exclusions(policy: GuardPolicy) -> Iterator[Exclusion]:
    """Yield all exclusions."""
    yield from rule_exclusions(policy)
    yield from mode_exclusions(policy)
    yield from isolation_exclusions(policy)


def rule_exclusions(policy: GuardPolicy) -> Iterator[Exclusion]:
    """Yield where and for whom no rule applies."""
    yield Exclusion("namespaces, by name or prefix", join_names(policy.namespaces.exempted), "rules and isolation")
    for subject, names in (
        ("users", policy.exempt.users),
        ("groups", policy.exempt.groups),
        ("ServiceAccounts", policy.exempt.service_accounts),
    ):
        if names:
            yield Exclusion(subject, join_names(names), "rules; the namespaces of their Pods are isolated nevertheless")
    yield Exclusion(
        "break-glass groups",
        join_names(policy.break_glass.groups),
        "rules, and the protection of the policies of catflap",
    )
    if policy.workloads.existing_workloads == "admit":
        yield Exclusion("Pods of owners older than catflap", "workloads.existingWorkloads: admit", "rules")


def mode_exclusions(policy: GuardPolicy) -> Iterator[Exclusion]:
    """Yield where rules apply and do not refuse."""
    if policy.mode is not Mode.ENFORCE:
        yield Exclusion("every rule without its own mode", f"mode {policy.mode}", "rejections")
    for rule, mode in policy.rules.items():
        if mode is not Mode.ENFORCE:
            yield Exclusion(f"rule {rule}", f"mode {mode}", "rejections")
    for one in policy.namespaces.overrides:
        namespaces = join_names((*one.names, *(f"{key}={value}" for key, value in one.labels.items())))
        modes = (*((one.mode,) if one.mode else ()), *(f"{rule}: {mode}" for rule, mode in one.rules.items()))
        yield Exclusion(
            "namespaces with an override", namespaces, f"the modes of other namespaces: {join_names(modes)} in these"
        )


def isolation_exclusions(policy: GuardPolicy) -> Iterator[Exclusion]:
    """Yield which namespaces stay open."""
    if policy.namespaces.include_existing != "all":
        included = (
            policy.namespaces.include_existing
            if isinstance(policy.namespaces.include_existing, str)
            else join_names(policy.namespaces.include_existing)
        )
        yield Exclusion(
            "namespaces older than catflap", f"namespaces.includeExisting: {included}", "isolation, unless included"
        )
    if policy.network.staged:
        yield Exclusion("all namespaces", "network.staged: true", "isolation: staged policies drop nothing")
    if policy.network.engine == "none":
        yield Exclusion("all namespaces", "network.engine: none", "closing")


def join_names(names: Iterable[object]) -> str:
    """Return names as a list in one text."""
    return ", ".join(map(str, names)) or "nobody"


def webhook_summaries(configurations: Iterable[Mapping[str, Any]]) -> Iterator[WebhookSummary]:
    """Yield each entry of webhook configurations."""
    for configuration in configurations:
        phase = str(configuration["kind"]).removesuffix("WebhookConfiguration").lower()
        for hook in configuration["webhooks"]:
            conditions = tuple((one["name"], one["expression"]) for one in hook.get("matchConditions") or ())
            yield WebhookSummary(hook["name"], phase, describe_requests(hook), hook["failurePolicy"], conditions)


def describe_requests(hook: Mapping[str, Any]) -> str:
    """Return the resources and operations of an entry; each resource once."""
    resources = dict.fromkeys(resource for rule in hook["rules"] for resource in rule["resources"])
    operations = dict.fromkeys(operation for rule in hook["rules"] for operation in rule["operations"])
    return f"{', '.join(resources)}: {', '.join(operations)}"


def exception_summaries(policy: GuardPolicy, at: datetime) -> Iterator[ExceptionSummary]:
    """Yield the file's exceptions; the first to end comes first."""
    for one in sorted(policy.exceptions, key=lambda one: one.until):
        active_state = "ending" if one.ends_soon(at) else "in force"
        state = active_state if one.counts(at) else "expired"
        yield ExceptionSummary(one.rule, one.namespace, one.owner, one.reason, one.until.isoformat(), state)
