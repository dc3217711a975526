"""Policy files that have as much as a file may have, with every name as long as it can be."""

from collections.abc import Sequence
from typing import Any, Final

from webhook.model.fields import LONGEST_NAMESPACE
from webhook.model.limits import (
    LONGEST_PATTERN,
    LONGEST_PRINCIPAL,
    LONGEST_TEMPLATE_PATH,
    MOST_ACCOUNTS,
    MOST_ALIASES,
    MOST_EXCEPTIONS,
    MOST_EXTRA_KINDS,
    MOST_NAMESPACE_LABELS,
    MOST_NAMESPACES,
    MOST_OVERRIDES,
    MOST_PRINCIPALS,
    MOST_REQUIRED,
    MOST_ROLES,
    MOST_VALUES,
)

Json = dict[str, Any]

LONGEST_SUBDOMAIN: Final = ".".join(["x" * 63] * 3) + "." + "x" * 61
MODES: Final = ("enforce", "audit")
FULL_PATTERN: Final = "[a-z]{1,63}" + "|a" * ((LONGEST_PATTERN - len("[a-z]{1,63}")) // 2)


def fullest(*, names: Sequence[str] = (), namespaces: str = "overrides", patterns: bool = False) -> Json:
    """A file at every limit; `names` are among the exempt namespaces.

    `namespaces` says what most of its names of namespaces are for: exempt, reserved (by prefix), overrides, claims or exceptions,
    each of which is written in another way. `patterns` says by what further labels are required: patterns, or else closed lists.
    """
    used = MOST_OVERRIDES + MOST_ROLES + len(names)  # one of each; all accounts are in one that has no claim
    further = [space(f"space-{number}") for number in range(MOST_NAMESPACES - used)]
    excepted = further if namespaces == "exceptions" else lab_spaces()
    return {
        "validatingAdmissionPolicy": True,
        "workloads": {
            "app": {"label": key("app"), "aliases": [key(f"app-{number}") for number in range(MOST_ALIASES)]},
            "role": {
                "label": key("role"),
                "aliases": [key(f"role-{number}") for number in range(MOST_ALIASES)],
                "oneOf": values("role", MOST_ROLES),
            },
            "require": [
                {
                    "label": key(f"label-{number}"),
                    **({"matches": FULL_PATTERN} if patterns else {"oneOf": values("value", MOST_VALUES)}),
                }
                for number in range(MOST_REQUIRED)
            ],
            "extraKinds": [kind(number) for number in range(MOST_EXTRA_KINDS)],
            "scope": "template",
        },
        "namespaces": spaces(list(names), further, namespaces),
        "roles": claims(further if namespaces == "claims" else []),
        "breakGlass": {"groups": principals("emergency")},
        "exempt": {
            "users": principals("user"),
            "groups": principals("group"),
            "serviceAccounts": accounts("exempt", MOST_ACCOUNTS),
        },
        "exceptions": [
            {
                "rule": "require-label",
                "namespace": excepted[number % len(excepted)],
                "owner": "a",
                "reason": "b",
                "until": "9999-12-30",
            }
            for number in range(MOST_EXCEPTIONS)
        ],
    }


def lab_spaces() -> list[str]:
    """The namespace of each override."""
    return [space(f"lab-{number}") for number in range(MOST_OVERRIDES)]


def spaces(exempt: list[str], further: list[str], what: str) -> Json:
    """The section about namespaces: overrides of alternating modes, as many as there may be, and names of one sort."""
    reserved: list[str] = []
    overrides: list[Json] = [{"names": [name], "mode": MODES[number % 2]} for number, name in enumerate(lab_spaces())]
    for number in range(MOST_NAMESPACE_LABELS):
        overrides[number]["labels"] = {key(f"tier-{number}"): "x" * 63}
    if what == "overrides":
        overrides[-1]["names"] += further
    elif what == "reserved":
        reserved = [f"{one}*" for one in further]
    elif what == "exempt":
        exempt = [*exempt, *further]
    environment = {"label": key("environment"), "oneOf": ["production"]}
    return {"exempt": exempt, "reserved": {"prefixes": reserved}, "overrides": overrides, "environment": environment}


def claims(further: list[str]) -> Json:
    """A claim on every role; all accounts are in one of them, and what further namespaces there are in another."""
    roles = values("role", MOST_ROLES)
    found: Json = {role: {"claim": {"namespaces": [space(f"own-{number}")]}} for number, role in enumerate(roles)}
    found[roles[0]]["claim"]["namespaces"] += further
    found[roles[1]]["claim"] = {"serviceAccounts": accounts("claimed", MOST_ACCOUNTS)}
    return found


def kind(number: int) -> Json:
    """An extra kind with the longest names, and a path of the most steps."""
    group = f"g{number}.{LONGEST_SUBDOMAIN}"[:253].rstrip(".")
    path = ".".join("s" * (LONGEST_TEMPLATE_PATH // 2)) if number % 2 else f"spec.{'s' * (LONGEST_TEMPLATE_PATH - 5)}"
    return {"group": group, "resource": space(f"widgets{number}"), "kind": f"Widget{number}", "template": path}


def key(name: str) -> str:
    """A label key as long as can be."""
    return f"{LONGEST_SUBDOMAIN}/{name.ljust(63, 'x')}"


def space(name: str) -> str:
    """The name of a namespace as long as can be."""
    return name.ljust(LONGEST_NAMESPACE, "x")


def values(name: str, count: int) -> list[str]:
    """So many label values, as long as can be."""
    return [f"{name}-{number}".ljust(63, "x") for number in range(count)]


def principals(name: str) -> list[str]:
    """As many users or groups as there may be, with names of what takes most room in CEL."""
    return [f"{name}{number}".ljust(LONGEST_PRINCIPAL, "\\") for number in range(MOST_PRINCIPALS)]


def accounts(name: str, count: int) -> list[str]:
    """So many ServiceAccounts."""
    return [f"{space('ns')}/{f'{name}-{number}.{LONGEST_SUBDOMAIN}'[:253].rstrip('.')}" for number in range(count)]
