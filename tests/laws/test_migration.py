"""Rewriting the keys of earlier releases keeps the meaning of a policy file and each other character of it."""

import json
from collections.abc import Callable
from typing import Any, Final

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from tests.laws.test_policy_file import SNIPPETS
from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy
from webhook.config.migration import Migrated, NotMigratedError, migrated

Pair = tuple[str, str]  # a text before and after its migration

NOW: Final = {
    "twin": "validatingAdmissionPolicy",
    "standingNet": "clusterWideDefaultDeny",
    "adopt": "includeExisting",
    "existing": "existingWorkloads",
}
FORMER: Final = {name: key for key, name in NOW.items()}
SECTIONS: Final = {
    "network": {"engine": "calico", "clusterWideDefaultDeny": "false", "dns": "none"},
    "namespaces": {"exempt": "[adopt, existing]", "includeExisting": "[adopt, team-*]"},
    "workloads": {"existingWorkloads": "judge", "scope": "template", "role": "{oneOf: [twin, existing]}"},
}
HEAD: Final = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\n"
# Names of keys in comments, a tab, and characters outside of ASCII and outside of the first plane.
COMMENTS: Final = ("", "", "  # twin: true, adopt", " #\tgate: {freshness: 5}", " # é 😀 'existing' \"", " #")
ALONE: Final = ("\n", "# adopt: all\n", "#\ttwin é 😀 \\n\n", "   # gate:\n")
KEYS: Final = ("KEY: ", '"KEY": ', "'KEY' : ", "KEY :   ", "!!str KEY: ", '&a "KEY": ')
# The lines of the literal value have more blanks than the comments of ALONE, which would otherwise be a part of it.
GATES: Final = (
    "gate: {freshness: 5}", 'gate: {"freshness": 5, }', "gate: [1, 'a, b', \"}\"]", "gate: ~", "gate:", '"gate": {freshness:\n    5}',
    "gate:\n  freshness: 5", "gate:\n  # how long\n\n  freshness:   5 # ms", "gate:\n- 1\n- 2", "gate: |\n    5\n    6", "? gate\n: freshness: 5",
    "&g gate: &h\n  freshness: 5",
)  # fmt: skip


def with_key(form: str, key: str) -> Pair:
    """Return a text with a key before and after."""
    return form.replace("KEY", key), form.replace("KEY", NOW.get(key, key))


def joined(parts: list[Pair], separator: str = "") -> Pair:
    """Return several texts as one."""
    return separator.join(one for one, _ in parts), separator.join(one for _, one in parts)


@st.composite
def entries(draw: st.DrawFn, keys: dict[str, str]) -> list[Pair]:
    """Draw some entries of a mapping in any order, each without a line end; renamed keys have one of their names."""
    chosen = draw(st.permutations(sorted(keys)))[: draw(st.integers(1, len(keys)))]
    names = [FORMER.get(key, key) if draw(st.booleans()) else key for key in chosen]
    forms = draw(st.lists(st.sampled_from(KEYS), min_size=len(chosen), max_size=len(chosen)))
    return [with_key(form + keys[key], name) for key, name, form in zip(chosen, names, forms, strict=True)]


@st.composite
def lines(draw: st.DrawFn, parts: list[Pair], indent: str = "") -> Pair:
    """Draw lines with entries, with comments behind and between them."""
    written = []
    for part in parts:
        comment, above = draw(st.sampled_from(COMMENTS)), draw(st.sampled_from(("", "", *ALONE)))
        written.append(joined([(above + indent,) * 2, part, (f"{comment}\n",) * 2]))
    return joined(written)


@st.composite
def block_files(draw: st.DrawFn) -> Pair:
    """Draw a policy file with a block mapping, whose sections are in braces or not."""
    parts: list[Pair] = [(HEAD, HEAD)]
    for name in draw(st.lists(st.sampled_from(sorted(SECTIONS)), unique=True)):
        found = draw(entries(SECTIONS[name]))
        if draw(st.booleans()):
            inside = joined(found, draw(st.sampled_from([", ", ",", " ,\n    "])))
            parts.append(draw(lines([joined([(f"{name}: {{",) * 2, inside, ("}",) * 2])])))
        else:
            parts += [joined([(f"{name}:\n",) * 2, draw(lines(found, " " * draw(st.integers(1, 4))))])]
    if draw(st.booleans()):
        parts.append(draw(lines(draw(entries({"validatingAdmissionPolicy": "true"})))))
    if draw(st.booleans()):
        gate = draw(st.sampled_from(GATES))
        comment = "" if "|" in gate or "ms" in gate else draw(st.sampled_from(COMMENTS))
        parts.append((f"{gate}{comment}\n", ""))
    return joined(draw(st.permutations(parts)))


@st.composite
def flow_files(draw: st.DrawFn) -> Pair:
    """Draw a policy file in braces, also one that is JSON, without a removed key."""
    parts: list[Pair] = [('"apiVersion": "catflap.dev/v1"',) * 2, ("kind: GuardPolicy",) * 2]
    for name in draw(st.lists(st.sampled_from(sorted(SECTIONS)), unique=True)):
        inside = joined(draw(entries(SECTIONS[name])), ", ")
        parts.append((f"{name}: {{{inside[0]}}}", f"{name}: {{{inside[1]}}}"))
    parts += draw(entries({"validatingAdmissionPolicy": "true"}))
    separator = draw(st.sampled_from([", ", ",\n  ", " # a, b\n  ,", ",\n\t# twin: adopt\n  "]))
    begin, end = draw(st.sampled_from([("{", "}"), ("{\n  ", "\n}\n"), ("# twin\n--- {", "} # adopt\n")]))
    return joined([(begin,) * 2, joined(draw(st.permutations(parts)), separator), (end,) * 2])


def in_block(text: str) -> str:
    """Return the manifest with a policy file as lines, beside another object with the same keys."""
    lines = ["# The first line.", *text.split("\n")]
    inner = "".join(f"    {line}\n" if line else "\n" for line in lines).removesuffix(
        "\n" if text.endswith("\n") else ""
    )
    return (
        "apiVersion: v1\nkind: Other\ntwin: true\n---\n# twin\napiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: catflap-policy, labels: {{adopt: all}}}}\ndata:\n  other: 'twin: true'\n  policy.yaml: |\n{inner}\n---\nkind: Last\napiVersion: v1\n"
    )


def manifest(text: str) -> dict[str, Any]:
    """Return the manifest with a policy file."""
    metadata = {"name": "catflap-policy", "annotations": {"twin": "twin: true"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"policy.yaml": text}}


def in_json(text: str) -> str:
    """Return the manifest as kubectl prints it."""
    return json.dumps(manifest(text), indent=4, ensure_ascii=False)


def in_double_quotes(text: str) -> str:
    """Return the manifest with the policy file in double quotes, on one line."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: catflap-policy}}\ndata:\n  policy.yaml: {json.dumps(text, ensure_ascii=False)} # twin\n"


def with_line_ends(text: str) -> str:
    """Return a text with line ends of Windows."""
    return text.replace("\n", "\r\n")


FORMS: Final[dict[str, Callable[[str], str]]] = {
    "the file": str,
    "with line ends of Windows": with_line_ends,
    "in a manifest": in_block,
    "in a manifest with line ends of Windows": lambda text: with_line_ends(in_block(text)),
    "in JSON": in_json,
    "in double quotes": in_double_quotes,
}


@LAW
@given(block_files() | flow_files(), st.sampled_from(sorted(FORMS)))
def test_only_the_keys_change(pair: Pair, form: str) -> None:
    """The expected text is the same file, written with the current names."""
    before, after = FORMS[form](pair[0]), FORMS[form](pair[1])
    found = migrated(before)
    assert found.text == after
    assert parse_file(found.text).policy == parse_file(before).policy
    assert (before == after) is (found.changes == ())
    assert migrated(found.text) == Migrated(found.text)
    assert len(found.changes) == len(parse_file(before).warnings)


@LAW
@given(block_files(), st.sampled_from(["\n", "\r\n"]))
def test_only_the_keys_change_in_values_of_the_chart(pair: Pair, line_end: str) -> None:
    """Other values may have the same names."""
    before, after = (in_values(text).replace("\n", line_end) for text in pair)
    found = migrated(before)
    assert found.text == after
    assert migrated(after) == Migrated(after)


def in_values(text: str) -> str:
    """Return values of the chart with a policy file."""
    inner = "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    return f"twin: true # adopt\nimage: {{tag: twin}}\npolicy:\n  # The first line.\n{inner}network: {{adopt: all, standingNet: 1}}\n"


WHOLE: Final = (
    HEAD + "twin: true # twin\nnetwork: {standingNet: false, engine: calico}\nnamespaces:\n  adopt: [a, team-*]\n"
    "workloads:\n  existing: judge\n\ngate:\n  freshness: 5\nmode: warn\n"
)


@LAW
@given(st.data())
def test_a_spoilt_file_is_rewritten_or_refused(data: st.DataObject) -> None:
    """No part of YAML at a wrong place leads to a file with another meaning, or to another error."""
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        at, gone = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(st.sampled_from((*SNIPPETS, "gate: ", "twin: ", "*a : "))) + text[at + gone :]
    try:
        found = migrated(text)
    except (BadPolicy, NotMigratedError):
        return
    if not text.startswith("policy"):
        assert parse_file(found.text).policy == parse_file(text).policy
        assert parse_file(found.text).warnings == ()
    assert migrated(found.text) == Migrated(found.text)


# What is behind a removed key begins with blanks, and a line of the manifest begins there afterwards.
BLANKS_BEHIND: Final = (HEAD + "gate: {freshness: 5}\n   # gate:\nmode: warn\n", HEAD + "   # gate:\nmode: warn\n")


@LAW
@given(block_files(), st.integers(20, 60))
@example(BLANKS_BEHIND, 20)
@example(BLANKS_BEHIND, 60)
def test_a_policy_file_in_lines_of_any_length_keeps_its_meaning(pair: Pair, width: int) -> None:
    """A program that writes YAML may fold a long text."""
    before, after = pair
    text = yaml.safe_dump(manifest(before), default_style='"', width=width, allow_unicode=True)
    found = migrated(text)
    assert yaml.safe_load(found.text) == manifest(after)


@st.composite
def files_with_a_removed_key(draw: st.DrawFn) -> str:
    """Draw a policy file in braces with the removed key at any place, with any blanks and comments beside it."""
    parts = ['"apiVersion": catflap.dev/v1', "kind: GuardPolicy", "twin: true", "mode: warn", 'reports: "off"']
    gate = draw(
        st.sampled_from(
            [
                "gate: {freshness: 5}",
                '"gate" : {"freshness": 5}',
                "gate: [1, ',']",
                "gate: ",
                "? gate : 1",
                '\'gate\': "#, \\""',
            ]
        )
    )
    parts = draw(st.permutations([*parts, gate]))
    blank = st.sampled_from(["", " ", "  ", "\n", "  \n", "\n  ", " # a, b\n", "\r\n", "\t"])
    text = "".join(f"{draw(blank)}{part}{draw(blank) if part.strip(' ') == part else ' '}," for part in parts)
    return f"{{{text if draw(st.booleans()) else text[:-1]}{draw(blank)}}}{draw(st.sampled_from(['', chr(10)]))}"


@LAW
@given(files_with_a_removed_key())
def test_a_key_in_braces_is_removed_with_one_comma(text: str) -> None:
    """All other keys stay."""
    found = migrated(text)
    assert "gate" not in found.text
    expected = [part.split()[0] for part in ("kind: G", "mode: w", "reports: o", "validatingAdmissionPolicy: t")]
    assert all(part in found.text for part in expected)
    assert parse_file(found.text).policy == parse_file(text).policy
    rest = iter(text.replace("twin", NOW["twin"]))
    assert all(character in rest for character in found.text), "nothing but the key is removed"
