"""A policy file in the manifest of its ConfigMap, and in any encoding that editors write."""

import json
from textwrap import indent
from typing import Final

import pytest
import yaml

from tests.unit.samples import HEAD
from webhook.config.enclosure import NotTextError, enclosed, parse_file, text_of
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse

OUTER: Final = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: catflap-policy}\ndata:\n"
BAD: Final = f"{HEAD}mode: loud\n"


def literal(text: str, *, depth: int = 4, header: str = "|") -> str:
    """The manifest with a policy file as a block of lines."""
    return f"{OUTER}  policy.yaml: {header}\n{indent(text, ' ' * depth)}"


def places(text: str) -> list[tuple[int, int]]:
    """Where each fault of a file is."""
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    return [fault.place or (0, 0) for fault in bad.value.faults]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(literal(HEAD), id="a block"),
        pytest.param(literal(HEAD, header="|-"), id="a block without its last line end"),
        pytest.param(literal(HEAD, header="|2", depth=4), id="a block that says how far it is indented"),
        pytest.param(literal(HEAD, header="| # the policy"), id="a block with a comment"),
        pytest.param(json.dumps({"kind": "ConfigMap", "data": {"policy.yaml": HEAD}}), id="JSON"),
        pytest.param(f"---\n{literal(HEAD)}", id="a line that begins a document"),
        pytest.param(f"kind: Namespace\nmetadata: {{name: a}}\n---\n{literal(HEAD)}", id="another manifest before it"),
        pytest.param(literal(HEAD) + "immutable: true\n", id="a key behind it"),
        pytest.param(f"{literal(HEAD)}  other.yaml: x\n", id="another file in it"),
        pytest.param(literal(HEAD).replace("\n", "\r\n"), id="line ends of Windows"),
        pytest.param(
            literal(HEAD) + "---\nkind: ConfigMap\nmetadata: {name: other}\ndata: {policy.yaml: x}\n", id="another's file of that name"
        ),
    ],
)  # fmt: skip
def test_a_policy_file_is_found_in_the_manifest_of_its_config_map(text: str) -> None:
    """In whatever way it is written."""
    found = enclosed(text)
    assert found is not None
    assert parse(found.text) == parse(found.text.replace("\r\n", "\n"))
    assert parse_file(text).policy == parse(HEAD).policy


@pytest.mark.parametrize("depth", [1, 3, 4, 11])
@pytest.mark.parametrize("before", ["", "\n", "# a comment\n\n"])
def test_a_fault_has_its_place_in_the_manifest(before: str, depth: int) -> None:
    """The line and the column that an editor jumps to."""
    depth += 2
    text = f"# top\n{literal(before + BAD, depth=depth)}"
    [(line, column)] = places(text)
    assert text.splitlines()[line - 1][column - 1 :] == "mode: loud"


def test_a_fault_in_one_line_of_json_is_told_with_the_line_of_the_inner_file() -> None:
    """The outer one says nothing of it."""
    text = json.dumps({"kind": "ConfigMap", "data": {"policy.yaml": BAD}})
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    [fault] = bad.value.faults
    assert fault.place == (1, text.index('"apiVersion') + 1)
    assert fault.message.endswith("(line 3, column 1 of data['policy.yaml'])")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f"{OUTER}  policy.yml: x\n", "has no key policy.yaml with the policy file as text; its keys are policy.yml", id="another key"),
        pytest.param("kind: ConfigMap\nmetadata: {name: a}\n", "'a' has no key policy.yaml with the policy file as text; it has no keys", id="no keys"),
        pytest.param(f"{OUTER}  policy.yaml:\n{indent(HEAD, '    ')}", "policy.yaml is a mapping; a ConfigMap holds text: write policy.yaml: |", id="no text"),
        pytest.param(
            "kind: ConfigMap\nmetadata: {name: a}\ndata: {policy.yaml: x}\n---\nkind: ConfigMap\nmetadata: {name: b}\ndata: {policy.yaml: x}\n",
            "the ConfigMaps 'a' and 'b' both have policy.yaml",
            id="two",
        ),
    ],
)  # fmt: skip
def test_a_config_map_without_one_policy_file_is_a_fault(text: str, told: str) -> None:
    """With what it has instead."""
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    [fault] = bad.value.faults
    assert told in fault.message


@pytest.mark.parametrize(
    "text",
    [HEAD, "", "kind: ConfigMap: [", "- kind: ConfigMap", "{{ x }}: y\nkind: ConfigMap", "kind: [ConfigMap, *a]"],
)
def test_what_is_no_config_map_is_read_as_a_policy_file(text: str) -> None:
    """Whose faults are those of a policy file."""
    try:
        assert enclosed(text) is None
    except BadPolicy as bad:
        assert "has no key policy.yaml" in str(bad)  # noqa: PT017 (a template's braces are YAML)


def test_a_comment_about_config_maps_makes_no_config_map() -> None:
    """The document decides."""
    assert parse_file(f"# kind: ConfigMap\n{HEAD}").policy == parse(HEAD).policy


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEAD.encode(), id="UTF-8"),
        pytest.param(HEAD.encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(HEAD.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xfe\xff" + HEAD.encode("utf-16-be"), id="UTF-16, the other order"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding(content: bytes) -> None:
    """As in kubectl."""
    assert parse_file(text_of(content)).policy == parse(HEAD).policy


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (HEAD.encode() + b"mode: \xe9", "line 3 is not UTF-8 (byte 0xe9); save the file as UTF-8"),
        (b"\xff\xfe\x00", "line 1 is not UTF-16"),
    ],
)
def test_what_is_no_text_is_told(content: bytes, told: str) -> None:
    """With how to save it."""
    with pytest.raises(NotTextError) as bad:
        text_of(content)
    assert told in str(bad.value)


def test_a_manifest_of_many_keys_is_searched_in_one_pass() -> None:
    """A chart's whole output may be before the one that counts."""
    many = "".join(f"  key-{number}: x\n" for number in range(20_000))
    assert parse_file(f"{literal(HEAD)}{many}").policy == parse(HEAD).policy
    assert yaml.safe_load(f"{OUTER}{many}")["data"]["key-1"] == "x"
