"""Test that no text of a manifest forges a line of the output, moves the cursor or reverses the writing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.samples import HEAD
from webhook.cli import main

HOSTILE = "Odd\n\x1b[31mb.yaml: note: all fine\u202e"
LABELS = {"app": "web", "role": "nobody"}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": LABELS},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD["spec"]}
CASES: dict[str, dict[str, Any]] = {
    "kind": {"apiVersion": "x.example/v1", "kind": HOSTILE, "metadata": {"name": "a"}, "spec": {"template": TEMPLATE}},
    "group": {"apiVersion": f"{HOSTILE}/v1", "kind": "Odd", "metadata": {"name": "a"}, "spec": {"template": TEMPLATE}},
    "misspelt kind": {**POD, "kind": "Po\nd"},
    "field of a template": {
        "apiVersion": "x.example/v1", "kind": "Odd", "metadata": {"name": "a"}, "spec": {HOSTILE: TEMPLATE},
    },
    "namespace": {**POD, "metadata": {**POD["metadata"], "namespace": HOSTILE}},
    "name": {**POD, "metadata": {**POD["metadata"], "name": HOSTILE}},
    "label key with a number": {**POD, "metadata": {"name": "web", "labels": {HOSTILE: 5}}},
    "label key with no label's value": {**POD, "metadata": {"name": "web", "labels": {HOSTILE: "a b"}}},
    "label value": {**POD, "metadata": {"name": "web", "labels": {"app": "web", "role": HOSTILE}}},
    "namespace of another type": {**POD, "metadata": {"name": HOSTILE, "namespace": 5}},
}  # fmt: skip


@pytest.mark.parametrize("verb", [["check"], ["preview"], ["preview", "-o", "wide"]], ids=" ".join)
@pytest.mark.parametrize("case", CASES)
def test_each_line_is_ours(case: str, verb: list[str], tmp_path: Path) -> None:
    """The hostile text stays on one line, with codes instead of characters that act on a terminal."""
    policy, manifest = tmp_path / "policy.yaml", tmp_path / "a.json"
    policy.write_text(HEAD, encoding="utf-8")
    manifest.write_text(json.dumps(CASES[case]), encoding="utf-8")
    done = CliRunner().invoke(main, [*verb, "-c", str(policy), str(manifest)], color=True)
    assert not isinstance(done.exception, ValueError | TypeError | KeyError)
    for output in (done.stdout, done.stderr):
        assert "\x1b[31mb.yaml" not in output
        assert "\u202e" not in output
        assert not any("b.yaml" in line and "Odd" not in line for line in output.splitlines())


def test_a_template_below_a_key_with_a_dot_is_no_extra_kind(tmp_path: Path) -> None:
    """The dotted path would name another field, so the message offers no entry."""
    policy, manifest = tmp_path / "policy.yaml", tmp_path / "a.json"
    policy.write_text(HEAD, encoding="utf-8")
    odd = {"apiVersion": "x.example/v1", "kind": "Odd", "metadata": {"name": "a"}, "spec": {"my.template": TEMPLATE}}
    manifest.write_text(json.dumps(odd), encoding="utf-8")
    done = CliRunner().invoke(main, ["check", "-c", str(policy), str(manifest)])
    assert "a pod template at spec['my.template']" in done.stdout
    assert "extraKinds" not in done.stdout


NAME = "a\n\x1b[31mcatflap: all fine\u202e.yaml"
UNREADABLE = "a: b: c\n"


@pytest.mark.parametrize(
    "words",
    [
        ["check", "-c", "policy.yaml", NAME],
        ["check", "-c", "policy.yaml", "."],
        ["check", "-c", NAME, "pod.yaml"],
        ["check", "-c", "policy.yaml", f"nowhere{NAME}"],
        ["preview", "-c", "policy.yaml", NAME],
        ["preview", "-c", "policy.yaml", "--against", NAME],
        ["config", "check", NAME],
        ["config", "check", f"nowhere{NAME}"],
        ["config", "show", NAME],
        ["render", "-c", NAME, "--namespace", "a"],
        ["registration", "-c", "policy.yaml", "--url", "https://a", "--ca", f"nowhere{NAME}"],
        ["audit", "verify", NAME],
        ["audit", "query", NAME],
        ["report", NAME, "-o", "-"],
    ],
    ids=lambda words: " ".join(words).encode("unicode_escape").decode(),
)
@pytest.mark.parametrize("text", [UNREADABLE, json.dumps({**POD, "kind": "Po"}), json.dumps(POD)])
def test_the_name_of_a_file_acts_on_no_terminal(
    words: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive may have files of any name; each line of the output begins as catflap begins it."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(HEAD, encoding="utf-8")
    Path(NAME).write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, words, color=True)
    output = f"{done.stdout}{done.stderr}"
    assert "\x1b[31mcat" not in output
    assert "\u202e" not in output
    assert not any(line.startswith(("catflap: all fine", "[31m")) for line in output.splitlines())
    in_codes = "a\\n\\x1b[31mcatflap: all fine\\u202e.yaml"
    assert output.count("all fine") == output.count(in_codes)
    assert in_codes in output or text != UNREADABLE or words[-1] == "."


def test_json_has_the_name_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs open the file by this name."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(HEAD, encoding="utf-8")
    Path(NAME).write_text(json.dumps(POD), encoding="utf-8")
    done = CliRunner().invoke(main, ["check", "-o", "json", "-c", "policy.yaml", NAME])
    assert [one["source"] for one in json.loads(done.stdout)] == [NAME]
