"""Check policy files in the manifest of their ConfigMap, and in every encoding that editors write."""

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
    """Return the manifest with a policy file as a block of lines."""
    return f"{OUTER}  policy.yaml: {header}\n{indent(text, ' ' * depth)}"


def places(text: str) -> list[tuple[int, int]]:
    """Return the place of each fault of a file."""
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
        pytest.param(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"policy.yaml": HEAD}}), id="JSON"),
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
    """The manifest may use any style of YAML or JSON."""
    found = enclosed(text)
    assert found is not None
    assert parse(found.text) == parse(found.text.replace("\r\n", "\n"))
    assert parse_file(text).policy == parse(HEAD).policy


@pytest.mark.parametrize("depth", [1, 3, 4, 11])
@pytest.mark.parametrize("before", ["", "\n", "# a comment\n\n"])
def test_a_fault_has_its_place_in_the_manifest(before: str, depth: int) -> None:
    """An editor can jump to the line and the column."""
    depth += 2
    text = f"# top\n{literal(before + BAD, depth=depth)}"
    [(line, column)] = places(text)
    assert text.splitlines()[line - 1][column - 1 :] == "mode: loud"


def test_a_fault_in_one_line_of_json_is_told_with_the_line_of_the_inner_file() -> None:
    """The line of the outer file alone does not locate the fault."""
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"policy.yaml": BAD}})
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    [fault] = bad.value.faults
    assert fault.place == (1, text.index('"apiVersion: catflap') + 1)
    assert fault.message.endswith("(line 3, column 1 of data['policy.yaml'])")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f"{OUTER}  policy.yml: x\n", "has no key policy.yaml with the policy file; its keys are "
                                                  "policy.yml", id="another key"),
        pytest.param("kind: ConfigMap\nmetadata: {name: a}\n", "'a' has no key policy.yaml with the policy file; "
                                                               "it has no keys", id="no keys"),
        pytest.param(f"{OUTER}  policy.yaml:\n{indent(HEAD, '    ')}", "this is a mapping; a value in a ConfigMap "
                                                                       "must be text: write it below data as "
                                                                       "policy.yaml: |", id="no text"),
        pytest.param(
            "kind: ConfigMap\nmetadata: {name: a}\ndata: {policy.yaml: x}\n---\nkind: ConfigMap\nmetadata: {name: b}\ndata: {policy.yaml: x}\n",
            "the ConfigMaps 'a' and 'b' both have the key policy.yaml",
            id="two",
        ),
    ],
)  # fmt: skip
def test_a_config_map_without_one_policy_file_is_a_fault(text: str, told: str) -> None:
    """The message lists the keys or ConfigMaps that exist."""
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    [fault] = bad.value.faults
    assert told in fault.message


@pytest.mark.parametrize(
    "text",
    [HEAD, "", "- kind: ConfigMap", "kind: [ConfigMap, *a]", "a: {kind: ConfigMap}"],
)
def test_what_is_no_config_map_is_read_as_a_policy_file(text: str) -> None:
    """Its faults are those of a policy file."""
    assert enclosed(text) is None


POLICY: Final = indent(BAD, "    ")
BASE64: Final = "YXBpVmVyc2lvbg=="
ODD: Final = [
    pytest.param(OUTER.replace("v1", "V1"), (1, 1), "apiVersion: 'V1' is unknown; a ConfigMap has apiVersion: v1", id="a version in capitals"),
    pytest.param(OUTER.replace("apiVersion: v1\n", "apiVersion: apps/v1\n"), (1, 13), "a ConfigMap has apiVersion: v1", id="another version"),
    pytest.param(OUTER.replace("apiVersion: v1\n", ""), (1, 1), "apiVersion: a ConfigMap has apiVersion: v1", id="no version"),
    pytest.param(OUTER.replace("ConfigMap", "Configmap"), (2, 7), "kind: 'Configmap' is unknown; write kind: ConfigMap", id="a kind in other letters"),
    pytest.param(OUTER.replace("ConfigMap", "configMaps"), (2, 7), "kind: 'configMaps' is unknown; write kind: ConfigMap", id="a plural"),
    pytest.param(OUTER.replace("ConfigMap", "Config-Map"), (2, 7), "write kind: ConfigMap", id="a hyphen"),
    pytest.param(f"{OUTER}  size: 5\n", (5, 9), 'data.size: 5 is a number; expected text: write it in quotes: "5"', id="a number beside it"),
    pytest.param(f"{OUTER}  on.off: no\n", (5, 11), 'no is read as the boolean false, because kubectl uses YAML '
                                                    '1.1; expected text: write it in quotes: '
                                                    '"no"', id="a trap of YAML beside it"),
    pytest.param(f"{OUTER}  policy.yaml: x\n", (6, 3), "duplicate key 'policy.yaml'; remove one of the "
                                                       "two", id="the file twice"),
    pytest.param(f"{OUTER}  other: x\ndata:\n", (6, 1), "duplicate key 'data'; remove one of the two", id="data twice"),
]  # fmt: skip


@pytest.mark.parametrize(("outer", "place", "told"), ODD)
def test_a_config_map_that_the_api_server_would_refuse_is_a_fault(
    outer: str, place: tuple[int, int], told: str
) -> None:
    """The fault is at its line of the manifest."""
    with pytest.raises(BadPolicy) as bad:
        parse_file(f"{outer}  policy.yaml: |\n{indent(HEAD, '    ')}")
    [fault] = bad.value.faults
    assert told in str(fault)
    assert fault.place == place or place[1] == 1 or fault.place is None


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        pytest.param(OUTER.replace("\ndata:", "\nbinaryData:") + f"  policy.yaml: {BASE64}\n", (5, 16), "policy.yaml is Base64, because kubectl create configmap found a file that is not UTF-8", id="binaryData"),
        pytest.param(OUTER.removesuffix("data:\n"), (1, 1), "has no key policy.yaml with the policy file; it has "
                                                            "no keys", id="nothing in it"),
        pytest.param(OUTER.replace("\ndata:", "\ndata: {}"), (4, 7), "it has no keys", id="data of nothing"),
        pytest.param(OUTER.replace("\ndata:", "\ndata: [a]"), (4, 7), "data: this is a list; expected a mapping", id="data that is a list"),
        pytest.param(f"{OUTER}  policy.yaml:\n", (5, 15), "the value is missing; a value in a ConfigMap must be "
                                                          "text", id="an empty key"),
        pytest.param(f"{OUTER}  policy.yaml: 5\n", (5, 16), "5 is a number; a value in a ConfigMap must be "
                                                            "text", id="a number"),
        pytest.param(f"{OUTER}  policy.yaml: |\n\tapiVersion: v1\n", (6, 1), "not YAML: YAML does not allow a tab "
                                                                             "here", id="a block with tabs"),
        pytest.param(f"{OUTER}  policy.yaml: |\n{POLICY}---\na: [\n", (10, 5), "not YAML: expected a value here", id="a later document that is broken"),
        pytest.param(f"{OUTER}  policy.yaml: |\n{POLICY}--- b\n", (9, 1), "on the line of the separator ---", id="text behind a separator"),
        pytest.param(f"{OUTER}  policy.yaml: |\n{indent(HEAD, '    ')}    rules: [a\n    mode: warn\n", (9, 9), "expected , or ] here; the [ of line 8 is not closed", id="a line of the manifest in a message"),
        pytest.param(f"{OUTER}  policy.yaml: >\n{POLICY}", (5, 16), "data['policy.yaml']: > joins the lines of the "
                                                                    "text; write policy.yaml: |", id="a folded block"),
        pytest.param("kind: ConfigMap: [", (1, 16), "not YAML: a second ': ' in one line", id="a broken manifest"),
        pytest.param("{{ x }}: y\nkind: ConfigMap\n", (1, 1), "that is not rendered: {{ x }}: y; render it first "
                                                              "and pass the result: … | catflap config check "
                                                              "-", id="a template"),
    ],
)  # fmt: skip
def test_a_manifest_with_a_fault_is_told_at_its_line(text: str, place: tuple[int, int], told: str) -> None:
    """The line is that of the edited file, not that of the enclosed text."""
    with pytest.raises(BadPolicy) as bad:
        parse_file(text)
    assert told in str(bad.value.faults[-1] if "a: [" in text else bad.value.faults[0])
    assert place in {fault.place for fault in bad.value.faults}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(f"apiVersion: v1\nkind: List\nitems:\n- {indent(literal(BAD), '  ').lstrip()}", 11, id="a List"),
        pytest.param(f"{OUTER}  other.yaml: &p |\n{POLICY}  policy.yaml: *p\n", 8, id="an alias"),
        pytest.param(f"{OUTER.removesuffix('data:' + chr(10))}data: &all\n  policy.yaml: |\n{POLICY}---\n{OUTER.replace('catflap-policy', 'b')}  x: y\n", 8, id="an anchor"),
        pytest.param(f"{OUTER}  policy.yaml: &p |\n{POLICY}  other.yaml: *p\n", 8, id="an anchor of the file"),
        pytest.param(f"{OUTER}  first: x\n  second: |\n    y\n  policy.yaml: |\n{POLICY}", 11, id="several keys"),
        pytest.param(f"kind: Namespace\n---\n{literal(BAD)}", 10, id="the second document"),
        pytest.param(f"{OUTER}  policy.yaml: !!str |\n{POLICY}", 8, id="a tag"),
    ],
)  # fmt: skip
def test_a_fault_of_the_file_is_at_its_line_of_the_manifest(text: str, line: int) -> None:
    """The place is right for each way in which YAML can express the text."""
    assert places(text) == [(line, text.splitlines()[line - 1].index("mode") + 1)]


def test_a_fault_of_the_manifest_hides_none_of_the_others() -> None:
    """All faults of the manifest appear together."""
    text = OUTER.replace("v1", "V1").replace("ConfigMap", "configmap")
    assert places(f"{text}  policy.yaml: |\n{POLICY}  size: 5\n---\na: [\n") == [
        (1, 13),
        (2, 7),
        (8, 5),
        (9, 9),
        (11, 5),
    ]


def test_a_comment_about_config_maps_makes_no_config_map() -> None:
    """Only the parsed document counts."""
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
    """The encodings are those that kubectl detects."""
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
    """The message explains how to save the file."""
    with pytest.raises(NotTextError) as bad:
        text_of(content)
    assert told in str(bad.value)


def test_a_manifest_of_many_keys_is_searched_in_one_pass() -> None:
    """A chart's whole output may precede the ConfigMap."""
    many = "".join(f"  key-{number}: x\n" for number in range(20_000))
    assert parse_file(f"{literal(HEAD)}{many}").policy == parse(HEAD).policy
    assert yaml.safe_load(f"{OUTER}{many}")["data"]["key-1"] == "x"
