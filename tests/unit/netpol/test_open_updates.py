"""An UPDATE of an open policy has violations for what it adds, also where a message is too short to list all of it."""

from typing import Any, Final

from tests.reviews import encoded
from webhook.admission.judge import judge_request
from webhook.config.parse import parse
from webhook.review.decode import decode

Json = dict[str, Any]

POLICY: Final = parse("apiVersion: catflap.dev/v1\nkind: GuardPolicy\nrules: {no-open-policy: enforce}\n").policy


def added_violations(before: Json, after: Json) -> list[str]:
    """Return the paths of the violations of a change of a policy."""
    request = decode(encoded(after, before=before))
    return [one.path for one in judge_request(request, POLICY)]


def plain(*rules: Json, **metadata: Any) -> Json:
    """Return a NetworkPolicy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": "shop", **metadata},
        "spec": {"podSelector": {}, "ingress": list(rules)},
    }


def everywhere(*ports: int, but: str = "closed") -> Json:
    """Return a rule for nearly every namespace."""
    selector = {"matchExpressions": [{"key": but, "operator": "DoesNotExist"}]}
    return {"from": [{"namespaceSelector": selector}], "ports": [{"port": port} for port in ports]}


def test_a_rule_that_was_open_may_stay_on_another_line() -> None:
    """A rule that opens nothing may be added."""
    narrow: Json = {"from": [{"podSelector": {}}]}
    assert added_violations(plain(everywhere(80)), plain(narrow, everywhere(80))) == []


def test_a_port_that_the_message_does_not_name_is_added() -> None:
    """The message names five."""
    before, after = everywhere(*range(1, 20, 2)), everywhere(*range(1, 20, 2), 100)
    assert added_violations(plain(before), plain(after)) == ["spec.ingress[0]"]
    before, after = everywhere(*range(1, 20, 2)), everywhere(*range(1, 18, 2), 100)
    assert added_violations(plain(before), plain(after)) == ["spec.ingress[0]"]


def test_a_peer_that_the_message_does_not_name_is_added() -> None:
    """Another rule after the first five is a violation; fewer rules are none."""
    some = [everywhere(80, but=f"label-{number}")["from"][0] for number in range(9)]
    ports = {"ports": [{"port": 80}]}
    assert added_violations(plain({"from": some[:8], **ports}), plain({"from": [*some[:7], some[8]], **ports})) == [
        "spec.ingress[0]"
    ]
    assert added_violations(plain({"from": some, **ports}), plain({"from": some[2:], **ports})) == []


def test_single_rule_is_removed_or_replaced() -> None:
    """Rules that are only counted are distinguished too."""
    many = [everywhere(port) for port in range(1, 31)]
    for gone in (0, 15, 29):
        assert added_violations(plain(*many), plain(*many[:gone], *many[gone + 1 :])) == []
    assert added_violations(plain(*many), plain(*many[:29], everywhere(99))) == ["spec.ingress[10]"]


def test_unreadable_policy_is_unchanged_while_its_content_is() -> None:
    """Its labels may change; its content may not, even where the message is the same."""
    large: list[Json] = [{"from": [{"podSelector": {}}] * 5000}]
    assert added_violations(plain(*large), plain(*large, labels={"team": "a"})) == []
    assert added_violations(plain(*large), plain(*large, everywhere(80))) == ["spec"]


def test_networks_that_are_large_together_are_reported_once() -> None:
    """An additional rule is a change."""
    halves = [
        {"ports": [{"port": 80}], "from": [{"ipBlock": {"cidr": cidr}}]} for cidr in ("64.0.0.0/2", "128.0.0.0/1")
    ]
    assert added_violations(plain(halves[0]), plain(*halves)) == ["spec.ingress"]
    assert added_violations(plain(*halves), plain(*reversed(halves))) == []
    more = {"ports": [{"port": 80}], "from": [{"ipBlock": {"cidr": "32.0.0.0/3"}}]}
    assert added_violations(plain(*halves), plain(*halves, more)) == ["spec.ingress"]


def test_a_network_set_that_counts_as_pods_may_not_grow() -> None:
    """The message is the same, but the addresses differ."""

    def of(*nets: str) -> Json:
        metadata = {"name": "set", "namespace": "shop", "labels": {"role": "frontend"}}
        return {
            "apiVersion": "projectcalico.org/v3",
            "kind": "NetworkSet",
            "metadata": metadata,
            "spec": {"nets": list(nets)},
        }

    assert added_violations(of("203.0.113.0/24"), of("203.0.113.0/24")) == []
    assert added_violations(of("203.0.113.0/24"), of("203.0.113.0/24", "198.51.100.0/24")) == ["metadata.labels.role"]
