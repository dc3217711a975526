"""Find names, prefixes, groups and values that another setting includes already or makes ineffective."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from webhook.config.faults import PolicyFault
from webhook.config.sound import Path, Remark
from webhook.model.exemptions import account_namespace
from webhook.model.fields import fits
from webhook.model.namespace_settings import ALWAYS_EXEMPT, Namespaces
from webhook.model.policy import GuardPolicy

OVERRIDES: Final[tuple[Path, ...]] = (("namespaces", "overrides"),)
ACCOUNT: Final = "system:serviceaccount:"


def exempts(spaces: Namespaces, pattern: str) -> bool:
    """Return whether each namespace of a name or prefix is exempt."""
    stem = pattern.removesuffix("*")
    return stem.startswith(spaces.reserved.stems) or (stem == pattern and spaces.exempts(pattern))


def included(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the namespaces that are included and exempt, and those that the list has already."""
    spaces = policy.namespaces
    if isinstance(spaces.include_existing, str):
        return
    for number, pattern in enumerate(spaces.include_existing):
        if exempts(spaces, pattern):
            message = f"{pattern} is exempt ({why_exempt(spaces, pattern)}), so it is not included; remove it"
            yield PolicyFault(f"namespaces.includeExisting[{number}]", message)
        elif pattern in spaces.include_existing[:number]:
            yield PolicyFault(f"namespaces.includeExisting[{number}]", f"{pattern} is a duplicate; remove it")
    yield from covered("namespaces.includeExisting", spaces.include_existing)


def why_exempt(spaces: Namespaces, pattern: str) -> str:
    """Return the setting by which each namespace of a name or prefix is exempt."""
    if pattern in ALWAYS_EXEMPT:
        return "always"
    return "namespaces.exempt" if pattern in spaces.exempt else "namespaces.reserved.prefixes"


def reserved(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the prefixes and names of exempt namespaces that a reserved prefix includes already."""
    spaces = policy.namespaces
    yield from covered("namespaces.reserved.prefixes", spaces.reserved.prefixes)
    for number, name in enumerate(spaces.exempt if "exempt" in spaces.model_fields_set else ()):
        if name.startswith(spaces.reserved.stems) and name not in ALWAYS_EXEMPT:
            message = f"{name} is already exempt because of namespaces.reserved.prefixes; remove it"
            yield PolicyFault(f"namespaces.exempt[{number}]", message)


def overridden(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on overridden namespaces that are exempt, or that a prefix of the override includes already."""
    spaces = policy.namespaces
    for number, override in enumerate(spaces.overrides):
        path = f"namespaces.overrides[{number}].names"
        for place, pattern in enumerate(override.names):
            if exempts(spaces, pattern):
                yield PolicyFault(
                    f"{path}[{place}]", f"{pattern} is exempt from every rule, so the override has no effect there"
                )
        yield from covered(path, override.names)


def covered(path: str, patterns: Sequence[str]) -> Iterator[PolicyFault]:
    """Yield a remark on each name or prefix that a prefix of the same list includes already."""
    prefixes = {one[:-1] for one in patterns if one.endswith("*")}
    for number, pattern in enumerate(patterns):
        stem = pattern.removesuffix("*")
        longest = len(stem) - pattern.endswith("*")
        wider = next((stem[:end] for end in range(longest + 1) if stem[:end] in prefixes), None)
        if wider is not None:
            yield PolicyFault(f"{path}[{number}]", f"{pattern} is already included in {wider}*; remove it")


def overrides(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the overrides that apply to no namespace, because an earlier override fits all of theirs."""
    earlier: list[tuple[int, tuple[str, ...], set[tuple[str, str]]]] = []
    for number, override in enumerate(policy.namespaces.overrides):
        labels = {*override.labels.items()}
        for before, patterns, wanted in earlier:
            if wanted <= labels and fitted(override.names, patterns):
                message = f"namespaces.overrides[{before}] matches all of these namespaces, and the first match applies"
                yield PolicyFault(f"namespaces.overrides[{number}]", message)
                break
        earlier.append((number, override.names, labels))


def fitted(names: Sequence[str], patterns: Iterable[str]) -> bool:
    """Return whether each of some names is among patterns; an empty list means every name."""
    patterns = tuple(patterns)
    if not patterns or not names:
        return not patterns
    return all(any(fits(pattern, name) for pattern in patterns) for name in names)


def claims(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the empty claims, and the parts of claims that are repeated or that no rule judges."""
    spaces = policy.namespaces
    for name, role in policy.roles.items():
        claim, path = role.claim, f"roles.{name}.claim"
        if not (claim.namespaces or claim.service_accounts):
            yield PolicyFault(
                f"roles.{name}", "the claim is empty and has no effect; add namespaces or serviceAccounts"
            )
        yield from covered(f"{path}.namespaces", claim.namespaces)
        homes = [account.partition("/")[0] for account in claim.service_accounts]
        for key, words, places in (
            ("namespaces", claim.namespaces, claim.namespaces),
            ("serviceAccounts", claim.service_accounts, homes),
        ):
            judged = [not exempts(spaces, place) for place in places]
            for number, word in enumerate(words if any(judged) else ()):
                if not judged[number]:
                    message = (
                        f"Pods in {places[number]} are exempt from every rule, so the claim has no effect on "
                        f"them; remove {word}"
                    )
                    yield PolicyFault(f"{path}.{key}[{number}]", message)


def principals(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the users, groups and accounts to which another list gives the same right already."""
    spaces, exempt = policy.namespaces, policy.exempt
    lists = (
        ("exempt.groups", exempt.groups),
        ("policyFile.deletedBy", policy.policy_file.deleted_by),
        ("namespaces.labelledBy", spaces.labelled_by),
        ("namespaces.reserved.groups", spaces.reserved.groups),
    )
    for path, groups in lists:
        for number, group in enumerate(groups):
            if group in policy.break_glass.groups:
                yield PolicyFault(
                    f"{path}[{number}]", f"{group} already has this right from breakGlass.groups; remove it"
                )
    accounts = [f"{ACCOUNT}{account.replace('/', ':')}" for account in exempt.service_accounts]
    for path, users in (("exempt.users", exempt.users), ("exempt.serviceAccounts", accounts)):
        for number, user in enumerate(users):
            group = f"system:serviceaccounts:{account_namespace(user)}"
            if user.startswith(ACCOUNT) and group in {*exempt.groups, *policy.break_glass.groups}:
                yield PolicyFault(
                    f"{path}[{number}]", f"the group {group} already exempts this ServiceAccount; remove it"
                )
            elif path == "exempt.users" and user in accounts:
                yield PolicyFault(
                    f"{path}[{number}]",
                    f"exempt.serviceAccounts[{accounts.index(user)}] is the same account; remove one of the two",
                )


def values(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the values of labels that no Pod can have, and the repeated requirements."""
    workloads = policy.workloads
    earlier: dict[str, int] = {}
    for number, one in enumerate(workloads.require):
        path = f"workloads.require[{number}]"
        first = earlier.setdefault(one.label, number)
        other = workloads.require[first]
        if first != number and one == other:
            yield PolicyFault(path, f"it is a duplicate of workloads.require[{first}]; remove one of the two")
            continue
        for place, value in enumerate(one.one_of or ()):
            if one.label == workloads.role.label and value not in workloads.role.one_of:
                yield PolicyFault(
                    f"{path}.oneOf[{place}]", f"no Pod can have this value: {value!r} is not in workloads.role.oneOf"
                )
            elif first != number and not other.admits(value):
                yield PolicyFault(
                    f"{path}.oneOf[{place}]",
                    f"no Pod can have this value: workloads.require[{first}] does not admit {value!r}",
                )


def aliases(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the setting about aliases if there are no aliases."""
    workloads = policy.workloads
    if not (workloads.fill_from_aliases or workloads.app.aliases or workloads.role.aliases):
        message = "it has no effect: workloads.app.aliases and workloads.role.aliases are empty"
        yield PolicyFault("workloads.fillFromAliases", message)


REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    **dict.fromkeys((included, reserved, claims, principals, values, aliases), ()),
    **dict.fromkeys((overridden, overrides), OVERRIDES),
}
