"""Check the limits of sums: the limit is accepted, and one more is reported with its path, its number and the limit."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.limits import fullest, kind, space
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse

HEAD: Final = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
Json = dict[str, Any]
Change = Callable[[Json], Any]
REQUIRED: Final = {"label": "one-more", "oneOf": ["a"]}


def faults(whole: Json) -> list[str]:
    """Return the faults of a file."""
    try:
        parse(json.dumps({**HEAD, **whole}))
    except BadPolicy as bad:
        return [str(fault) for fault in bad.faults]
    return []


def test_a_file_that_has_as_much_as_it_may_is_good() -> None:
    """A file at every limit at once is good."""
    assert faults(fullest()) == []


@pytest.mark.parametrize(
    ("one_more", "told"),
    [
        pytest.param(
            lambda whole: whole["workloads"]["role"]["aliases"].append("one-more"),
            "workloads.role.aliases: 17 items; at most 16 are allowed",
            id="aliases",
        ),
        pytest.param(
            lambda whole: whole["workloads"]["role"]["oneOf"].append("one-more"),
            "workloads.role.oneOf: 257 items; at most 256 are allowed",
            id="roles",
        ),
        pytest.param(
            lambda whole: whole["workloads"]["require"].append(REQUIRED),
            "workloads.require: 17 items; at most 16 are allowed",
            id="further labels",
        ),
        pytest.param(
            lambda whole: whole["workloads"]["require"][3]["oneOf"].append("one-more"),
            "workloads.require[3].oneOf: 257 items; at most 256 are allowed",
            id="values of a further label",
        ),
        pytest.param(
            lambda whole: whole["workloads"]["extraKinds"].append(kind(100)),
            "workloads.extraKinds: 101 items; at most 100 are allowed",
            id="kinds",
        ),
        pytest.param(
            lambda whole: whole["namespaces"]["overrides"].append({"names": ["a"], "mode": "off"}),
            "namespaces.overrides: 101 items; at most 100 are allowed",
            id="overrides",
        ),
        pytest.param(
            lambda whole: whole["breakGlass"]["groups"].append("one-more"),
            "breakGlass.groups: 101 items; at most 100 are allowed",
            id="groups for an emergency",
        ),
        pytest.param(
            lambda whole: whole["exempt"]["users"].append("one-more"),
            "exempt.users: 101 items; at most 100 are allowed",
            id="users",
        ),
        pytest.param(
            lambda whole: whole["exempt"]["serviceAccounts"].append("one/more"),
            "exempt.serviceAccounts: 251 items; at most 250 are allowed",
            id="ServiceAccounts",
        ),
        pytest.param(
            lambda whole: whole["exceptions"].append({**whole["exceptions"][0], "namespace": "one-more"}),
            "exceptions: 1001 items; at most 1000 are allowed",
            id="exceptions",
        ),
        pytest.param(
            lambda whole: whole["namespaces"]["exempt"].append("one-more"),
            "namespaces: 1001 names and prefixes here and in claims, exceptions and accounts; the limit is 1000; "
            "replace several items with a prefix",
            id="exempt namespaces",
        ),
        pytest.param(
            lambda whole: whole["namespaces"]["reserved"]["prefixes"].append("one-more*"),
            "namespaces: 1001 names and prefixes here and in claims, exceptions and accounts; the limit is 1000; "
            "replace several items with a prefix",
            id="reserved prefixes",
        ),
        pytest.param(
            lambda whole: whole["namespaces"]["overrides"][0]["names"].append("one-more"),
            "namespaces: 1001 names and prefixes here and in claims, exceptions and accounts; the limit is 1000; "
            "replace several items with a prefix",
            id="names in overrides",
        ),
        pytest.param(
            lambda whole: whole["namespaces"]["overrides"][0]["labels"].update({"one-more": "a"}),
            "namespaces.overrides: 65 labels in all of them; the limit is 64; replace several items with one label",
            id="labels in overrides",
        ),
        pytest.param(
            lambda whole: claim(whole, 9)["namespaces"].append("one-more"),
            "namespaces: 1001 names and prefixes here and in claims, exceptions and accounts; the limit is 1000; "
            "replace several items with a prefix",
            id="namespaces in claims",
        ),
        pytest.param(
            lambda whole: claim(whole, 1)["serviceAccounts"].append(f"{space('ns')}/more"),
            "roles: 251 ServiceAccounts in all claims; the limit is 250; replace several items with the namespace "
            "they are in",
            id="ServiceAccounts in claims",
        ),
    ],
)
def test_one_more_of_anything_is_too_much(one_more: Change, told: str) -> None:
    """The limits apply whether or not the file asks for the API server's copy."""
    whole = {**fullest(), "validatingAdmissionPolicy": False}
    one_more(whole)
    assert faults(whole) == [told]


def claim(whole: Json, number: int) -> Json:
    """Return the claim on one role."""
    found: Json = list(whole["roles"].values())[number]["claim"]
    return found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            {"workloads": {"extraKinds": [{**kind(0), "template": ".".join(["a"] * 300)}]}},
            "workloads.extraKinds[0].template: the text has 599 characters; at most 150 are allowed",
            id="a path of three hundred steps",
        ),
        pytest.param(
            {"namespaces": {"overrides": [{"labels": {f"tier-{one}": "a"}, "mode": "off"} for one in range(900)]}},
            "namespaces.overrides: 900 items; at most 100 are allowed",
            id="nine hundred overrides",
        ),
        pytest.param(
            {"namespaces": {"overrides": [{"names": [f"team-{one}" for one in range(2500)], "mode": "off"}]}},
            "namespaces.overrides: 2500 names in all of them; the limit is 1000",
            id="an override of two and a half thousand names",
        ),
    ],
)
def test_what_the_api_server_never_took_is_told(text: Json, told: str) -> None:
    """A fault of the file names the values that the API server would refuse, so users see them early."""
    assert any(told in found for found in faults(text))
