"""The policy's values: what Kubernetes would take, and what each question is answered."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from tests.unit.samples import policy
from webhook.model.distinct_values import distinct
from webhook.model.fields import (
    cidr,
    label_key,
    label_value,
    namespace_name,
    namespace_pattern,
    namespace_prefix,
    port,
    principal,
)
from webhook.model.modes import Mode
from webhook.model.workload_labels import LabelRequirement

LONG = "a" * 63
ADDRESS = ".".join(["a" * 62] * 4)  # 251 characters; a prefix may have 253


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        pytest.param(label_key, "app", id="a name"),
        pytest.param(label_key, "app.kubernetes.io/name", id="a name under a prefix"),
        pytest.param(label_key, "A_b-c.d", id="each mark that a name may have"),
        pytest.param(label_key, LONG, id="the longest name"),
        pytest.param(label_key, f"{ADDRESS}.a/a", id="the longest prefix"),
        pytest.param(label_value, "frontend", id="a value"),
        pytest.param(label_value, "v1.2_beta-3", id="each mark that a value may have"),
        pytest.param(label_value, LONG, id="the longest value"),
        pytest.param(namespace_name, "kube-system", id="a namespace"),
        pytest.param(namespace_name, "0", id="a namespace of one digit"),
        pytest.param(namespace_pattern, "team-*", id="a prefix"),
        pytest.param(namespace_pattern, "team*", id="a prefix without a hyphen"),
        pytest.param(namespace_pattern, "team", id="a whole name"),
        pytest.param(namespace_pattern, f"{LONG}*", id="the longest prefix of a name"),
        pytest.param(principal, r'CORP\ann "a" é' + "x" * 239, id="the longest name of a user, whatever is in it"),
        pytest.param(port, "53/UDP", id="a port"),
        pytest.param(port, "65535/SCTP", id="the highest port"),
        pytest.param(port, "1/TCP", id="the lowest port"),
        pytest.param(port, "8000-8100/TCP", id="a range"),
        pytest.param(port, "80-80/TCP", id="a range of one"),
        pytest.param(port, "1-65535/SCTP", id="every port"),
        pytest.param(cidr, "10.0.0.0/8", id="an IPv4 network"),
        pytest.param(cidr, "fd00::/8", id="an IPv6 network"),
        pytest.param(cidr, "::/0", id="everywhere in IPv6"),
        pytest.param(cidr, "::fffe:0:0/95", id="IPv4 in IPv6 and its neighbours"),
        pytest.param(cidr, "0.0.0.0/0", id="everywhere"),
    ],
)
def test_what_kubernetes_takes_is_kept_as_it_is(parse: Callable[[str], str], text: str) -> None:
    """A value passes unchanged."""
    assert parse(text) == text


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        pytest.param(label_key, "", "the text is empty; expected a label key", id="no key"),
        pytest.param(label_key, "-app", "'-app' is not a valid label key", id="a key that starts with a hyphen"),
        pytest.param(label_key, "app ", "'app ' is not a valid label key", id="a blank after a key"),
        pytest.param(label_key, "app\n", r"is not a valid label key", id="a line end after a key"),
        pytest.param(label_key, "a" * 64, "is not a valid label key", id="a name too long"),
        pytest.param(label_key, "/app", "'/app' is not a valid label key", id="an empty prefix"),
        pytest.param(label_key, "example.com/", "'example.com/' is not a valid label key", id="an empty name"),
        pytest.param(label_key, "Example.com/app", "is not a valid label key", id="a prefix in capitals"),
        pytest.param(label_key, "a/b/c", "'a/b/c' is not a valid label key", id="two slashes"),
        pytest.param(label_key, f"{ADDRESS}.aa/a", "is not a valid label key", id="a prefix too long"),
        pytest.param(label_key, "bühne", "'bühne' is not a valid label key", id="a letter that is not ASCII"),
        pytest.param(label_value, "", "the text is empty; expected a label value", id="an empty value"),
        pytest.param(label_value, "a b", "'a b' is not a valid label value", id="a blank in a value"),
        pytest.param(label_value, "a'b", "is not a valid label value", id="a quote, which no selector could say"),
        pytest.param(label_value, "a.", "'a.' is not a valid label value", id="a dot at the end of a value"),
        pytest.param(label_value, "a" * 64, "is not a valid label value", id="a value too long"),
        pytest.param(label_value, "a\n", "is not a valid label value", id="a line end after a value"),
        pytest.param(namespace_name, "Shop", "'Shop' is not a valid namespace name", id="a namespace in capitals"),
        pytest.param(namespace_name, "shop.eu", "'shop.eu' is not a valid namespace name", id="a dot in a namespace"),
        pytest.param(
            namespace_name, "team-*", r"'team-\*' is not a valid namespace name", id="a star where names are asked for"
        ),
        pytest.param(namespace_name, "a" * 64, "is not a valid namespace name", id="a namespace too long"),
        pytest.param(namespace_pattern, "*", "'.' matches every namespace", id="a star alone, which is `all`"),
        pytest.param(namespace_pattern, "-*", "'-\\*' is not a valid prefix", id="hyphens alone"),
        pytest.param(namespace_prefix, "openshift-", r"as in openshift-\*$", id="a prefix without its star"),
        pytest.param(namespace_pattern, f"{LONG}-*", "is not a valid prefix", id="more than a name may have"),
        pytest.param(principal, "", "the text is empty; expected the name of a user", id="nobody"),
        pytest.param(principal, "a" * 254, "is not a valid user or group name", id="a user of too long a name"),
        pytest.param(principal, "a\0", "is not a valid user or group name", id="a character that cannot be printed"),
        pytest.param(principal, "a\ud800", "is not a valid user or group name", id="half a character"),
        pytest.param(namespace_pattern, "te*am", "the star must be the last character", id="a star in the middle"),
        pytest.param(namespace_pattern, "*-team", "the star must be the last character", id="a star in front"),
        pytest.param(port, "53", "'53' is not a valid port: did you mean 53/TCP", id="no protocol"),
        pytest.param(port, "53/udp", "'53/udp' is not a valid port", id="a protocol in small letters"),
        pytest.param(port, "dns/UDP", "'dns/UDP' is not a valid port", id="a named port, which Windows nodes skip"),
        pytest.param(port, "0/TCP", "'0/TCP' is not a valid port", id="below the lowest port"),
        pytest.param(port, "65536/TCP", "'65536/TCP' is not a valid port", id="above the highest port"),
        pytest.param(port, "53/ICMP", "'53/ICMP' is not a valid port", id="a protocol without ports"),
        pytest.param(port, "80-65536/TCP", "'80-65536/TCP' is not a valid port", id="a range above the highest port"),
        pytest.param(port, "0-80/TCP", "'0-80/TCP' is not a valid port", id="a range below the lowest port"),
        pytest.param(port, "80-/TCP", "'80-/TCP' is not a valid port", id="a range without an end"),
        pytest.param(port, "80:90/TCP", "'80:90/TCP' is not a valid port", id="a range in Calico's writing"),
        pytest.param(port, "80/TCP\n", "is not a valid port", id="a line end after a port"),
        pytest.param(port, "2-1/TCP", "'2-1/TCP' is not a valid port", id="a range that ends before it begins"),
        pytest.param(port, "٥٣/UDP", "is not a valid port", id="digits that are not ASCII"),
        pytest.param(port, "053/UDP", "'053/UDP' is not a valid port", id="a second way to write a port"),
        pytest.param(cidr, "fe80::1%eth0", "zone", id="a zone, which is one node's own affair"),
        pytest.param(
            cidr, "10.0.0.1/8", "did you mean 10.0.0.0/8, or 10.0.0.1 for this single address?", id="host bits"
        ),
        pytest.param(cidr, "::ffff:10.0.0.0/104", "write it as IPv4", id="IPv4 in IPv6, which Calico takes for IPv4"),
        pytest.param(cidr, "::ffff:0:0/96", "write it as IPv4", id="all of IPv4 in IPv6"),
        pytest.param(cidr, "10.0.0.0/33", "is not a valid network: write 10.0.0.0/8 or fd00::/8", id="a mask too long"),
        pytest.param(cidr, "example.com", "is not a valid network: write 10.0.0.0/8 or fd00::/8", id="a host name"),
        pytest.param(cidr, "", "the text is empty; expected a network: write 10.0.0.0/8 or fd00::/8", id="no network"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_with_the_remedy(
    parse: Callable[[str], str], text: str, says: str
) -> None:
    """When the file is read, not when a manifest is written."""
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_an_address_is_a_network_of_one() -> None:
    """What engines write is written out."""
    assert cidr("169.254.20.10") == "169.254.20.10/32"


def unchecked(values: Any, _loc: str | int | None = None) -> Any:
    """Return the values of a list whose items have no type."""
    return values


def test_values_that_a_list_has_twice_are_all_named() -> None:
    """Once each, in order, with the place of each one and of the first of its kind."""
    assert distinct(("a", "b"), unchecked) == ("a", "b")
    with pytest.raises(PydanticCustomError, match=r"^duplicate values: a, b$") as found:
        distinct(("b", "a", "c", "a", "b"), unchecked)
    assert found.value.context == {"words": "a, b", "places": {3: 1, 4: 0}}


class TestRequirement:
    """A further label."""

    def test_a_closed_list_admits_its_values_only(self) -> None:
        """Exactly as written."""
        required = LabelRequirement(label="team", oneOf=("a", "b"))
        assert [value for value in ("a", "b", "A", "c", "") if required.admits(value)] == ["a", "b"]

    @pytest.mark.parametrize(
        ("matches", "admitted", "refused"),
        [
            pytest.param("[a-z]+", "abc", "abc1", id="the whole value"),
            pytest.param("a|b", "b", "ab", id="an alternative is grouped before it is anchored"),
            pytest.param("[0-9]{4}", "1234", "12345", id="a count"),
            pytest.param("(?i)prod", "PROD", "PRODX", id="letter case ignored where the pattern says so"),
            pytest.param("a.c", "abc", "a\nc", id="a dot is no line end"),
            pytest.param("a", "a", "a\n", id="nothing hides behind a line end"),
        ],
    )
    def test_a_pattern_has_to_match_from_end_to_end(self, matches: str, admitted: str, refused: str) -> None:
        """A match inside the value is none."""
        required = LabelRequirement(label="team", matches=matches)
        assert required.admits(admitted)
        assert not required.admits(refused)

    def test_a_pattern_takes_no_longer_for_an_evil_value(self) -> None:
        """The classic (a+)+ would take 2^60 steps in an engine that goes back."""
        assert not LabelRequirement(label="team", matches="(a+)+").admits("a" * 60 + "!")


class TestModes:
    """In which mode a rule holds."""

    def test_a_rule_without_a_mode_of_its_own_has_the_files(self) -> None:
        """Which is to enforce where the file says nothing."""
        assert policy().mode_of("known-role") is Mode.ENFORCE
        assert policy("mode: audit").mode_of("known-role") is Mode.AUDIT

    def test_a_rules_own_mode_wins(self) -> None:
        """Stricter or milder."""
        mixed = policy("mode: warn\nrules: {known-role: enforce, require-app: off}")
        assert [mixed.mode_of(rule) for rule in ("known-role", "require-app", "require-role")] == [
            Mode.ENFORCE,
            Mode.OFF,
            Mode.WARN,
        ]


class TestNamespaces:
    """Which namespaces are spared, and which are taken in although they are older."""

    @pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease"])
    def test_the_clusters_own_are_exempt_whatever_the_file_says(self, name: str) -> None:
        """Before them nothing else can run."""
        assert policy("namespaces: {exempt: []}").namespaces.exempts(name)

    @pytest.mark.parametrize("name", ["shop-2", "sho", "SHOP", "", "default"])
    def test_only_whole_names_are_exempt(self, name: str) -> None:
        """No prefix, no pattern."""
        assert policy("namespaces: {exempt: [shop]}").namespaces.exempts("shop")
        assert not policy("namespaces: {exempt: [shop]}").namespaces.exempts(name)

    @pytest.mark.parametrize(
        ("included", "names"),
        [
            pytest.param("none", [], id="none"),
            pytest.param("all", ["shop", "team-a", "team"], id="all"),
            pytest.param("[shop]", ["shop"], id="a name"),
            pytest.param("[team-*]", ["team-a"], id="a prefix"),
            pytest.param("[team*]", ["team-a", "team"], id="a shorter prefix"),
            pytest.param("[]", [], id="an empty list"),
        ],
    )
    def test_inclusion_is_by_name_or_prefix(self, included: str, names: list[str]) -> None:
        """Or all, or none."""
        namespaces = policy(f"namespaces: {{includeExisting: {included}}}").namespaces
        assert [name for name in ("shop", "team-a", "team") if namespaces.includes_existing(name)] == names

    @pytest.mark.parametrize(
        ("labels", "environment"),
        [
            pytest.param({"stage": "test"}, "test", id="one that there is"),
            pytest.param({"stage": "staging"}, "", id="one that nobody knows"),
            pytest.param({"stage": ""}, "", id="an empty label"),
            pytest.param({"environment": "test"}, "", id="another label"),
            pytest.param({}, "", id="no label"),
        ],
    )
    def test_an_environment_is_one_that_there_is(self, labels: dict[str, str], environment: str) -> None:
        """By the file's own label."""
        namespaces = policy("namespaces: {environment: {label: stage, oneOf: [production, test]}}").namespaces
        assert namespaces.environment_of(labels) == environment
        assert policy().namespaces.environment_of({**labels, "environment": "test"}) == ""


class TestExceptions:
    """What lets a rule's faults pass, and for how long."""

    @staticmethod
    def waived(at: datetime, rule: str = "require-app", namespace: str = "shop", until: str = "2026-12-31") -> str:
        """The owner of the exception in force at a time; empty if there is none."""
        lines = (
            f"{{rule: require-app, namespace: shop, owner: {owner}, reason: b, until: {day}}}"
            for owner, day in (("ann", "2026-01-31"), ("bob", until))
        )
        found = policy(f"exceptions: [{', '.join(lines)}]").exception_for(rule, namespace, at)
        return found.owner if found else ""

    @pytest.mark.parametrize(
        ("at", "owner"),
        [
            pytest.param(datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), "ann", id="the last second of the last day"),
            pytest.param(datetime(2026, 2, 1, tzinfo=UTC), "bob", id="the day after, by another exception"),
            pytest.param(datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "bob", id="the last moment of all"),
            pytest.param(datetime(2027, 1, 1, tzinfo=UTC), "", id="too late"),
            pytest.param(
                datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "bob", id="tomorrow further east"
            ),
            pytest.param(
                datetime(2026, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))), "", id="still today further west"
            ),
        ],
    )
    def test_an_exception_counts_to_the_end_of_its_day(self, at: datetime, owner: str) -> None:
        """In UTC; the first one that counts is the one that is named."""
        assert self.waived(at) == owner

    def test_an_exception_is_for_one_rule_in_one_namespace(self) -> None:
        """And for no other."""
        now = datetime(2026, 6, 1, tzinfo=UTC)
        assert self.waived(now) == "bob"
        assert self.waived(now, rule="require-role") == ""
        assert self.waived(now, namespace="shop-2") == ""

    def test_an_exception_may_be_for_ever(self) -> None:
        """There is no day after the last one of the calendar."""
        assert self.waived(datetime(2026, 6, 1, tzinfo=UTC), until="9999-12-31") == "bob"


def test_a_label_is_looked_for_before_its_aliases() -> None:
    """In the file's order."""
    role = policy("workloads: {role: {label: tier, aliases: [b, a]}}").workloads.role
    assert role.keys == ("tier", "b", "a")


def test_a_policy_cannot_be_changed() -> None:
    """Every reader sees one whole version."""
    with pytest.raises(ValueError, match="frozen"):
        policy().mode = Mode.OFF  # type: ignore[misc]
