"""The judge of our Calico manifests is judged first: it has to complain."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.netpol.calico_grammar import complaints, labels_of

GOOD: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "a-b", "namespace": "shop", "labels": {"projectcalico.org/tier": "default"}},
    "spec": {
        "tier": "default",
        "selector": "all()",
        "types": ["Egress"],
        "egress": [
            {"action": "Allow", "protocol": "UDP", "destination": {"nets": ["10.0.0.0/8"], "ports": [53]}},
            {
                "action": "Allow",
                "protocol": "TCP",
                "destination": {"namespaceSelector": "a == 'b'", "selector": "c == 'd'", "ports": [53, 853]},
            },
        ],
    },
}


def test_a_good_policy_has_no_complaint() -> None:
    """The floor that the next test stands on."""
    assert complaints(GOOD) == []


def rule(manifest: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """A rule of a policy."""
    return manifest["spec"]["egress"][number]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda it: it["metadata"].update(name="default.a"), id="a dot in the name"),
        pytest.param(lambda it: it["spec"].update(tier="security"), id="another tier"),
        pytest.param(lambda it: it["metadata"]["labels"].clear(), id="no label of the tier"),
        pytest.param(lambda it: it["spec"].pop("types"), id="no types"),
        pytest.param(lambda it: it["spec"].update(types=[]), id="empty types"),
        pytest.param(lambda it: it["spec"].update(types=["ingress"]), id="types in small letters"),
        pytest.param(lambda it: it["spec"].update(types=["Ingress"]), id="rules of another direction"),
        pytest.param(lambda it: it["spec"].update(order=10), id="a field that we do not write"),
        pytest.param(lambda it: it["spec"].update(selector="a = 'b'"), id="a selector that is none"),
        pytest.param(lambda it: rule(it).update(action="Deny"), id="a Deny"),
        pytest.param(lambda it: rule(it).update(ipVersion=4), id="another field in a rule"),
        pytest.param(lambda it: rule(it).pop("protocol"), id="ports without protocol"),
        pytest.param(lambda it: rule(it).update(protocol="ICMP"), id="ports of a protocol without them"),
        pytest.param(lambda it: rule(it)["destination"].update(ports=["dns"]), id="a named port"),
        pytest.param(lambda it: rule(it)["destination"].update(ports=[]), id="no port"),
        pytest.param(lambda it: rule(it)["destination"].update(ports=[53, 53]), id="a port twice"),
        pytest.param(lambda it: rule(it)["destination"].update(ports=list(range(1, 60))), id="too many ports"),
        pytest.param(lambda it: rule(it)["destination"].update(nets=["10.0.0.0/8", "fd00::/8"]), id="two IP versions"),
        pytest.param(lambda it: rule(it)["destination"].update(nets=["10.0.0.0/8"] * 2), id="a network twice"),
        pytest.param(lambda it: rule(it)["destination"].update(nets=["fe80::1%eth0/128"]), id="a network with a zone"),
        pytest.param(lambda it: rule(it)["destination"].update(selector="a == 'b'"), id="networks and Pods"),
        pytest.param(lambda it: rule(it)["destination"].pop("nets"), id="neither networks nor Pods"),
        pytest.param(lambda it: rule(it)["destination"].update(notNets=["10.1.0.0/16"]), id="a negative match"),
        pytest.param(lambda it: rule(it, 1)["destination"].pop("namespaceSelector"), id="Pods of its own namespace"),
        pytest.param(
            lambda it: rule(it, 1)["destination"].update(selector=f"a == '{'b' * 1024}'"), id="a selector too long"
        ),
    ],
)
def test_a_bad_policy_has_one(spoil: Callable[[dict[str, Any]], object]) -> None:
    """Each fault by itself."""
    bad = copy.deepcopy(GOOD)
    spoil(bad)
    assert complaints(bad)


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        pytest.param("all()", {}, id="everything"),
        pytest.param("", {}, id="nothing said is everything too"),
        pytest.param("a == 'b'", {"a": "b"}, id="one label"),
        pytest.param("a=='b'&&c/d.e-f ==\t\"it's\"", {"a": "b", "c/d.e-f": "it's"}, id="two, in other spacing"),
        pytest.param("a == ''", {"a": ""}, id="an empty value"),
    ],
)
def test_a_selector_is_read(selector: str, labels: dict[str, str]) -> None:
    """As far as we write it."""
    assert labels_of(selector) == labels


@pytest.mark.parametrize(
    "selector",
    ["a", "a == b", "a == 'b", "a == 'b' &&", "&& a == 'b'", "a == 'b' c == 'd'", "a == 'b' || c == 'd'", "a\n== 'b'",
     "a == 'b\n'", "a == 'b'' && c == 'd'", "a == 'b' && a == 'c'", "all() && a == 'b'"],
)  # fmt: skip
def test_what_is_no_such_selector_is_refused(selector: str) -> None:
    """A line end is a fault in Calico's grammar."""
    with pytest.raises(ValueError, match=r"selector|two values"):
        labels_of(selector)
