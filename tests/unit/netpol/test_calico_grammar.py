"""The second implementation of Calico's validation finds each error in a manifest."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.netpol.calico_grammar import Clause, clauses_of, complaints, labels_of

GOOD: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "a-b", "namespace": "shop", "labels": {"projectcalico.org/tier": "default"}},
    "spec": {
        "tier": "default",
        "selector": "role == 'a'",
        "types": ["Ingress", "Egress"],
        "ingress": [
            {
                "action": "Allow",
                "protocol": "SCTP",
                "source": {"nets": ["10.0.0.0/8"]},
                "destination": {"ports": [1, "8000:8100"]},
            },
            {
                "action": "Allow",
                "protocol": "TCP",
                "source": {"selector": "a == 'b'"},
                "destination": {"ports": ["1:65535"]},
            },
        ],
        "egress": [
            {"action": "Allow", "protocol": "UDP", "destination": {"nets": ["10.0.0.0/8"], "ports": [53]}},
            {
                "action": "Allow",
                "protocol": "TCP",
                "destination": {"namespaceSelector": "a in {'b', 'c'}", "selector": "all()", "ports": [53, 853]},
            },
        ],
    },
}
NET: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "GlobalNetworkPolicy",
    "metadata": {"name": "a-b", "labels": {"projectcalico.org/tier": "default"}},
    "spec": {
        "tier": "default",
        "selector": "has(projectcalico.org/namespace) && projectcalico.org/namespace not in {'kube-system'}",
        "types": ["Ingress", "Egress"],
        "egress": [copy.deepcopy(GOOD["spec"]["egress"][1])],
        "performanceHints": ["AssumeNeededOnEveryNode"],
    },
}


def staged(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the staged kind of a policy."""
    return {**manifest, "kind": f"Staged{manifest['kind']}", "spec": {**manifest["spec"], "stagedAction": "Set"}}


@pytest.mark.parametrize("good", [GOOD, NET, staged(GOOD), staged(NET)], ids=lambda it: it["kind"])
def test_a_good_policy_has_no_complaint(good: dict[str, Any]) -> None:
    """The other tests depend on this one."""
    assert complaints(good) == []


def rule(manifest: dict[str, Any], number: int = 0, direction: str = "egress") -> dict[str, Any]:
    """Return a rule of a policy."""
    return manifest["spec"][direction][number]  # type: ignore[no-any-return]


def source(manifest: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """Return the source of an ingress rule of a policy."""
    return rule(manifest, number, "ingress")["source"]  # type: ignore[no-any-return]


def destination(manifest: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """Return the destination of an egress rule of a policy."""
    return rule(manifest, number)["destination"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda it: it["metadata"].update(name="default.a"), id="a dot in the name"),
        pytest.param(lambda it: it["metadata"].pop("namespace"), id="no namespace"),
        pytest.param(lambda it: it.update(kind="GlobalNetworkPolicySet"), id="another kind"),
        pytest.param(lambda it: it["spec"].update(tier="security"), id="another tier"),
        pytest.param(lambda it: it["spec"].update(stagedAction="Set"), id="an action that staged kinds have"),
        pytest.param(lambda it: it["spec"].update(performanceHints=[]), id="hints, which global kinds have"),
        pytest.param(lambda it: it["metadata"]["labels"].clear(), id="no label of the tier"),
        pytest.param(lambda it: it["spec"].pop("types"), id="no types"),
        pytest.param(lambda it: it["spec"].update(types=[]), id="empty types"),
        pytest.param(lambda it: it["spec"].update(types=["Ingress", "egress"]), id="types in small letters"),
        pytest.param(lambda it: it["spec"].update(types=["Ingress", "Egress", "Egress"]), id="a type twice"),
        pytest.param(lambda it: it["spec"].update(types=["Ingress"]), id="egress rules that types leave out"),
        pytest.param(lambda it: it["spec"].update(types=["Egress"]), id="ingress rules that types leave out"),
        pytest.param(lambda it: it["spec"].update(ingress=[]), id="no rules in a list of them"),
        pytest.param(lambda it: it["spec"].update(egress=[rule(it)] * 1025), id="too many rules"),
        pytest.param(lambda it: it["spec"].update(order=10), id="a field that we do not write"),
        pytest.param(lambda it: it["spec"].update(selector="a = 'b'"), id="a selector that is none"),
        pytest.param(lambda it: it["spec"].update(selector="a not in {'b'}"), id="a subject by what it is not"),
        pytest.param(lambda it: rule(it).update(action="Deny"), id="a Deny"),
        pytest.param(lambda it: rule(it).update(ipVersion=4), id="another field in a rule"),
        pytest.param(lambda it: rule(it).update(source={"nets": ["10.0.0.0/8"]}), id="a source on the way out"),
        pytest.param(lambda it: rule(it).pop("protocol"), id="ports without protocol"),
        pytest.param(lambda it: rule(it).update(protocol="ICMP"), id="ports of a protocol without them"),
        pytest.param(lambda it: destination(it).update(ports=["dns"]), id="a named port"),
        pytest.param(lambda it: destination(it).update(ports=[True]), id="a truth for a port"),
        pytest.param(lambda it: destination(it).update(ports=[0]), id="port 0"),
        pytest.param(lambda it: destination(it).update(ports=[65536]), id="a port too high"),
        pytest.param(lambda it: destination(it).update(ports=["80:79"]), id="a range that ends before it begins"),
        pytest.param(lambda it: destination(it).update(ports=["80:65536"]), id="a range too high"),
        pytest.param(lambda it: destination(it).update(ports=["80-90"]), id="a range in the policy file's writing"),
        pytest.param(lambda it: destination(it).update(ports=[]), id="no port"),
        pytest.param(lambda it: destination(it).update(ports=[53, 53]), id="a port twice"),
        pytest.param(lambda it: destination(it).update(ports=list(range(1, 52))), id="too many ports"),
        pytest.param(lambda it: destination(it).update(nets=["10.0.0.0/8", "fd00::/8"]), id="two IP versions"),
        pytest.param(lambda it: destination(it).update(nets=["10.0.0.0/8"] * 2), id="a network twice"),
        pytest.param(lambda it: destination(it).update(nets=[]), id="no network in a list of them"),
        pytest.param(
            lambda it: destination(it).update(nets=[f"10.0.{n}.0/24" for n in range(256)] + ["10.1.0.0/16"]),
            id="too many networks",
        ),
        pytest.param(lambda it: destination(it).update(nets=["fe80::1%eth0/128"]), id="a network with a zone"),
        pytest.param(lambda it: destination(it).update(nets=["::ffff:10.0.0.0/104"]), id="IPv4 in IPv6"),
        pytest.param(lambda it: destination(it).update(selector="a == 'b'"), id="networks and Pods"),
        pytest.param(lambda it: destination(it).update(namespaceSelector="a == 'b'"), id="networks and namespaces"),
        pytest.param(lambda it: destination(it).pop("nets"), id="neither networks nor Pods"),
        pytest.param(lambda it: destination(it).update(notNets=["10.1.0.0/16"]), id="a negative match"),
        pytest.param(lambda it: destination(it, 1).pop("namespaceSelector"), id="every Pod of its own namespace"),
        pytest.param(lambda it: destination(it, 1).update(namespaceSelector="all()"), id="every namespace"),
        pytest.param(lambda it: destination(it, 1).update(namespaceSelector="a in {}"), id="a set of nothing"),
        pytest.param(lambda it: destination(it, 1).update(namespaceSelector="has(a)"), id="a label with any value"),
        pytest.param(lambda it: destination(it, 1).update(selector="a not in {'b'}"), id="Pods by what they are not"),
        pytest.param(lambda it: destination(it, 1).update(selector=f"a == '{'b' * 1024}'"), id="a selector too long"),
        pytest.param(lambda it: rule(it, 0, "ingress").pop("source"), id="from every peer"),
        pytest.param(lambda it: rule(it, 0, "ingress").update(source={}), id="from every peer, by an empty source"),
        pytest.param(lambda it: source(it).update(ports=[1]), id="ports of those who connect"),
        pytest.param(lambda it: source(it).update(nets=["10.0.0.0/8", "fd00::/8"]), id="from two IP versions"),
        pytest.param(lambda it: source(it, 1).update(selector="all()"), id="from every Pod of its own namespace"),
        pytest.param(
            lambda it: rule(it, 0, "ingress")["destination"].update(selector="a == 'b'"), id="a subject in a rule"
        ),
    ],
)
def test_invalid_policy_has_an_error(spoil: Callable[[dict[str, Any]], object]) -> None:
    """Each error is tried alone."""
    bad = copy.deepcopy(GOOD)
    spoil(bad)
    assert complaints(bad)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda it: it["metadata"].update(namespace="shop"), id="a namespace"),
        pytest.param(lambda it: it["spec"].update(selector="all()"), id="host endpoints too"),
        pytest.param(
            lambda it: it["spec"].update(selector="projectcalico.org/namespace not in {'a'}"),
            id="host endpoints too, as they have no namespace",
        ),
        pytest.param(lambda it: it["spec"].update(performanceHints=["Hurry"]), id="a hint that is none"),
        pytest.param(lambda it: it["spec"].update(namespaceSelector="a == 'b'"), id="a field that we do not write"),
        pytest.param(lambda it: destination(it).pop("namespaceSelector"), id="Pods of every namespace"),
    ],
)
def test_invalid_global_policy_has_an_error(spoil: Callable[[dict[str, Any]], object]) -> None:
    """A valid policy of a namespace can be an invalid cluster-wide one."""
    bad = copy.deepcopy(NET)
    spoil(bad)
    assert complaints(bad)


@pytest.mark.parametrize("action", ["Delete", "Learn", "Ignore", None])
@pytest.mark.parametrize("good", [GOOD, NET], ids=lambda it: it["kind"])
def test_a_staged_policy_is_to_be_set(good: dict[str, Any], action: str | None) -> None:
    """Calico's other actions have other meanings."""
    bad = staged(good)
    bad["spec"]["stagedAction"] = action
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
    """The syntax is the part that catflap writes."""
    assert labels_of(selector) == labels


@pytest.mark.parametrize(
    "selector",
    ["a", "a == b", "a == 'b", "a == 'b' &&", "&& a == 'b'", "a == 'b' c == 'd'", "a == 'b' || c == 'd'", "a\n== 'b'",
     "a == 'b'\n", "a == 'b'' && c == 'd'", "a == 'b' && a == 'c'", "all() && a == 'b'"],
)  # fmt: skip
def test_invalid_selector_is_rejected(selector: str) -> None:
    """A line end is an error in Calico's grammar, except inside a value."""
    with pytest.raises(ValueError, match=r"selector|two values"):
        labels_of(selector)


@pytest.mark.parametrize(
    ("selector", "clauses"),
    [
        pytest.param("all()", (), id="everything"),
        pytest.param("has(a)", (Clause("a", "has"),), id="a label"),
        pytest.param("a in {'b'}", (Clause("a", "in", ("b",)),), id="a set of one"),
        pytest.param("a in{\"b\",'c, d}' }", (Clause("a", "in", ("b", "c, d}")),), id="marks in a value"),
        pytest.param("a not in {'b'}", (Clause("a", "not in", ("b",)),), id="not one of a set"),
        pytest.param("a notin {'b'}", (Clause("a", "not in", ("b",)),), id="the same in one word"),
        pytest.param("in in {'in'}", (Clause("in", "in", ("in",)),), id="a label with the name of an operator"),
        pytest.param(
            "has(a) && b == 'c' && d in {'e'}",
            (Clause("a", "has"), Clause("b", "==", ("c",)), Clause("d", "in", ("e",))),
            id="one of each",
        ),
    ],
)
def test_a_selectors_clauses_are_read(selector: str, clauses: tuple[Clause, ...]) -> None:
    """They are in their order."""
    assert clauses_of(selector) == clauses


@pytest.mark.parametrize("selector", ["has(a)", "a in {'b'}", "a == 'b' && c not in {'d'}"])
def test_labels_are_of_equalities_alone(selector: str) -> None:
    """A set does not have exactly one value."""
    with pytest.raises(ValueError, match="no selector of equalities"):
        labels_of(selector)


@pytest.mark.parametrize(
    "selector", ["a in {}", "a in {'b',}", "a in 'b'", "a in {'b'", "a in {b}", "!has(a)", "a != 'b'", "has()", "has(a",
                 "a not 'b'", "(a == 'b')", "global()"]
)  # fmt: skip
def test_unused_syntax_is_not_a_clause(selector: str) -> None:
    """This holds although Calico has some of these fields."""
    with pytest.raises(ValueError, match="no selector"):
        clauses_of(selector)
