"""Every policy file parses to a policy, or to errors with a path."""

from datetime import UTC, datetime
from typing import Any, Final

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW, json_values
from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.config.remarks import remarks_on
from webhook.config.store import PolicyStore

NOW: Final = datetime(2026, 6, 15, tzinfo=UTC)
WHOLE: Final = (
    HEAD
    + """\
mode: warn
rules: {known-role: enforce, require-app: off}
workloads:
  app: {label: app, aliases: [app.kubernetes.io/name]}
  role: {label: role, aliases: [], oneOf: [web, queue]}
  require: [{label: team, oneOf: [a, b]}, {label: cost-center, matches: "[0-9]{4}"}]
  fillFromAliases: false
namespaces: {includeExisting: [team-*, shop], exempt: [kube-system]}
network:
  engine: calico
  dns: [{namespaceLabels: {a: b}, podLabels: {c: d}, ports: [53/UDP]}, {cidrs: [10.0.0.0/8, "fd00::/8"]}]
"""
)
KEYS: Final = (
    "apiVersion", "kind", "mode", "rules", "workloads", "app", "role", "label", "aliases", "oneOf", "require",
    "matches", "fillFromAliases", "namespaces", "includeExisting", "exempt", "network", "engine", "dns", "cidrs", "ports",
)  # fmt: skip
SNIPPETS: Final = (
    "&a ", "*a", "!!bool ", "!!int ", "!!timestamp ", "!!float ", "!!binary ", "!!set ", "!!omap ", "!x ", "<<: ", "? ", "- ", "---\n",
    "|\n", ">-\n", "[", "]", "{", "}", ": ", "#", "'", '"', "%YAML 1.1\n", "\t", "\r", "\ufeff", "\x85", "=", "~", "null", "0x_",
    "2026-13-99", "1_0", ".nan", "on", "a(b", "\n",
)  # fmt: skip


def is_plain(fault: PolicyFault) -> bool:
    """Return whether an error has a message that is not a library's."""
    return bool(fault.message) and not any(
        words in fault.message for words in ("Input should", "validation", "NoneType")
    )


def tried(text: str) -> None:
    """Read a text; any end but a policy and faults that a person can act on is a failure.  Remarks are made on either."""
    try:
        outcome: Loaded | tuple[PolicyFault, ...] = parse(text)
    except BadPolicy as bad:
        outcome = bad.faults
    assert outcome
    assert all(is_plain(remark) for remark in remarks_on(text, NOW))
    assert isinstance(outcome, Loaded) or all(is_plain(fault) for fault in outcome)


@LAW
@given(st.text() | st.text(alphabet="abc:-[]{}&*!|>'\"%@`#, \n\t?~=<0_1.x"))
def test_any_text_is_a_policy_or_has_faults(text: str) -> None:
    """The text is tried alone, and after the first two lines of a policy file."""
    tried(text)
    tried(HEAD + text)


@LAW
@given(st.data())
def test_a_spoilt_policy_file_is_a_policy_or_has_faults(data: st.DataObject) -> None:
    """Parts of YAML are inserted at wrong places, and other parts are deleted."""
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 5))
        text = text[:at] + data.draw(st.sampled_from(SNIPPETS)) + text[at + gone :]
    tried(text)


keyed = st.recursive(
    json_values, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=6), max_leaves=10
)


@LAW
@given(
    st.dictionaries(st.sampled_from(KEYS) | st.text() | st.integers() | st.booleans() | st.none(), keyed, max_size=6)
)
def test_any_value_under_any_key_is_a_policy_or_has_faults(content: dict[Any, Any]) -> None:
    """Some keys are not strings."""
    tried(yaml.safe_dump({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **content}, allow_unicode=True))


@LAW
@given(st.lists(st.sampled_from([HEAD, WHOLE, HEAD + "mode: loud\n", "", HEAD + "mode: off\n"]), max_size=8))
def test_the_last_good_policy_is_in_force(texts: list[str]) -> None:
    """This holds for every invalid file between two valid ones."""
    store = PolicyStore(on_refusal=lambda _: None)
    good = None
    for text in texts:
        store.offer(text)
        good = parse(text) if text in {HEAD, WHOLE, HEAD + "mode: off\n"} else good
        assert store.current == good
