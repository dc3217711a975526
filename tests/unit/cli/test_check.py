"""`catflap check`: the server's verdicts on files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.cli import main

GOOD = "apiVersion: v1\nkind: Pod\nmetadata: {name: good, labels: {app: web, role: frontend}}\n"
BAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, labels: {app: web, role: fronted}}\n"
OTHER = "version: 2\nservices: {}\n"
BROKEN = "a: b: c\n"

TEXT = """\
pods.yaml: Pod default/bad has 1 fault:
- known-role: metadata.labels.role: the role 'fronted' is not known (did you mean 'frontend'?); \
the roles are frontend, backend, data
To mend it, set in the manifest:
  metadata:
    labels:
      role: "frontend"  # or: backend, data

3 objects, 2 of them make Pods, 1 refused
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"

Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the verb in a folder of its own under the default policy."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yml").write_text(HEAD, encoding="utf-8")

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, ["check", "-c", "policy.yml", *arguments], **options)

    return run


def write(files: dict[str, str]) -> None:
    """Write files into the folder."""
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")


WIDGETS = "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: spec.pod}]}\n"


def test_the_policys_own_kinds_are_judged(check: Check) -> None:
    """By group and kind, in any version; under another policy they are objects like any other."""
    write({"widget.yaml": "apiVersion: example.com/v7\nkind: Widget\nmetadata: {name: web}\nspec: {}\n"})
    assert check("widget.yaml").stdout == "1 objects, 0 of them make Pods, 0 refused\n"
    write({"policy.yml": HEAD + WIDGETS})
    outcome = check("widget.yaml")
    assert "Widget default/web has 2 faults:\n- require-app: spec.pod.metadata.labels.app: " in outcome.stdout
    assert outcome.exit_code == 1


def test_a_person_reads_the_servers_own_message(check: Check) -> None:
    """And how many objects there were."""
    write({"pods.yaml": f"{GOOD}---\n{BAD}---\n{SERVICE}"})
    outcome = check("pods.yaml")
    assert outcome.stdout == TEXT
    assert outcome.exit_code == 1


def test_a_program_reads_json(check: Check) -> None:
    """One entry an object, those without faults too."""
    write({"pods.yaml": f"{BAD}---\n{SERVICE}"})
    outcome = check("--format", "json", "pods.yaml")
    assert json.loads(outcome.stdout) == [
        {
            "source": "pods.yaml",
            "kind": "Pod",
            "namespace": "default",
            "name": "bad",
            "allowed": False,
            "violations": [
                {
                    "rule": "known-role",
                    "effect": "refused",
                    "path": "metadata.labels.role",
                    "message": "the role 'fronted' is not known (did you mean 'frontend'?); "
                    "the roles are frontend, backend, data",
                    "remedy": {
                        "path": "metadata",
                        "label": "role",
                        "value": "frontend",
                        "choices": ["frontend", "backend", "data"],
                    },
                }
            ],
        },
        {
            "source": "pods.yaml",
            "kind": "Service",
            "namespace": "shop",
            "name": "web",
            "allowed": True,
            "violations": [],
        },
    ]
    assert outcome.exit_code == 1


@pytest.mark.parametrize(
    ("files", "arguments", "status", "complaint"),
    [
        pytest.param({"a.yaml": GOOD}, ["a.yaml"], 0, "", id="all would be admitted"),
        pytest.param({"a.yaml": BAD}, ["a.yaml"], 1, "", id="one would be refused"),
        pytest.param({"a.yaml": BROKEN}, ["a.yaml"], 2, "a.yaml:1:5: not YAML: ", id="one is not YAML"),
        pytest.param({"a.yaml": BAD, "b.yaml": BROKEN}, ["a.yaml", "b.yaml"], 2, "b.yaml:1:5: not YAML: ", id="both"),
        pytest.param({}, ["a.yaml"], 2, "a.yaml: no such file or folder", id="it is not there"),
        pytest.param({"a.yaml": OTHER}, ["a.yaml"], 2, "a.yaml:1:1: no Kubernetes object", id="named, and no manifest"),
        pytest.param({"d/a.yaml": OTHER, "d/b.yaml": GOOD}, ["d"], 0, "", id="another program's file in a folder"),
        pytest.param({"d/x/a.yml": BAD}, ["d"], 1, "", id="a folder in a folder"),
        pytest.param({"d/a.json": '{"apiVersion": "v1", "kind": "Pod"}'}, ["d"], 1, "", id="JSON"),
        pytest.param({"d/a.txt": BAD, "d/b.yaml": GOOD}, ["d"], 0, "", id="files of other kinds in a folder"),
        pytest.param({"d/a.txt": BAD}, ["d"], 2, "no manifest in d", id="files of other kinds alone"),
        pytest.param({"d/a.yaml": OTHER}, ["d"], 2, "no manifest in d, 1 files of", id="another program's file alone"),
        pytest.param({"a.txt": BAD}, ["a.txt"], 1, "", id="one of another kind that was named"),
        pytest.param(
            {"a.yaml": GOOD + "---\n5\n"}, ["a.yaml"], 2, "a.yaml:5:1: expected an object", id="a number among them"
        ),
        pytest.param({"a.yaml": BAD}, ["-n", "kube-system", "a.yaml"], 0, "", id="in an exempt namespace"),
        pytest.param({"a.yaml": "\ufeff" + GOOD}, ["a.yaml"], 0, "", id="a byte order mark"),
        pytest.param({"a.yaml": ""}, ["a.yaml"], 2, "no manifest in a.yaml", id="nothing in it"),
        pytest.param({"a.yaml": "# c\n---\n"}, ["a.yaml"], 2, "no manifest in a.yaml", id="comments alone"),
        pytest.param({"a.yaml": "", "b.yaml": GOOD}, ["a.yaml", "b.yaml"], 0, "", id="nothing in one of two"),
        pytest.param({"a.yaml": "kind: List\napiVersion: v1\nitems: []\n"}, ["a.yaml"], 0, "", id="an empty List"),
    ],
)
def test_the_status_tells_refused_from_unreadable(
    check: Check, files: dict[str, str], arguments: list[str], status: int, complaint: str
) -> None:
    """0, 1 or 2; what cannot be read is named on standard error."""
    write(files)
    outcome = check(*arguments)
    assert outcome.exit_code == status, outcome.output
    assert outcome.stderr.startswith(f"catflap: {complaint}" if complaint else "")
    assert bool(outcome.stderr) == bool(complaint)


def test_everything_is_read_before_it_ends(check: Check) -> None:
    """A broken file hides no fault of the others."""
    write({"a.yaml": f"{BROKEN}", "b.yaml": BAD})
    outcome = check("a.yaml", "b.yaml")
    assert "Pod default/bad has 1 fault" in outcome.stdout
    assert outcome.stderr.startswith("catflap: a.yaml:1:5: not YAML: ")


def test_standard_input_is_read_where_it_is_named(check: Check) -> None:
    """As `kubectl … -o yaml | catflap check -`."""
    outcome = check("-n", "shop", "-", input=BAD)
    assert "-: Pod shop/bad has 1 fault:" in outcome.stdout
    assert outcome.exit_code == 1


def test_what_is_not_utf_8_is_read_as_kubectl_reads_it(check: Check) -> None:
    """Kubectl reads replacement characters there, so it matters where it is part of a label."""
    Path("a.yaml").write_bytes(GOOD.replace("web,", "web\xff,").encode("latin-1"))
    outcome = check("a.yaml")
    assert outcome.exit_code == 1
    assert "api-server: metadata.labels.app: 'web\ufffd' is no label value" in outcome.stdout


def test_a_fault_that_only_warns_is_shown_and_refuses_nothing(check: Check) -> None:
    """As the server does."""
    write({"policy.yml": HEAD + "mode: warn\n", "a.yaml": BAD})
    outcome = check("a.yaml")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(
        "a.yaml: warning: Pod default/bad: known-role: metadata.labels.role: the role 'fronted'"
    )
    assert outcome.stdout.endswith("1 objects, 1 of them make Pods, 0 refused\n")


def test_a_bad_policy_ends_it_with_every_fault(check: Check) -> None:
    """Before any manifest is read."""
    write({"policy.yml": HEAD + "mode: loud\nruls: []\n"})
    outcome = check("nothing.yaml")
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines() == [
        "catflap: policy.yml:3:1: mode: Input should be 'enforce', 'warn', 'audit' or 'off'",
        "catflap: policy.yml:4:1: ruls: unknown key; did you mean 'rules'?",
    ]


def test_custom_rules_are_asked_too(check: Check) -> None:
    """What they need of a cluster is told as not checked."""
    rules = [
        '{id: small, resources: [pods], cel: "object.metadata.name.size() < 4", message: a shorter name}',
        "{id: gold, resources: [pods], cel: \"namespaceObject.metadata.name == 'gold'\"}",
    ]
    write({"pods.yaml": GOOD, "policy.yml": f"{HEAD}custom: [{', '.join(rules)}]\n"})
    outcome = check("pods.yaml")
    assert outcome.exit_code == 1
    assert "pods.yaml: Pod default/good has 1 fault:\n- small: a shorter name\n" in outcome.stdout
    assert (
        "pods.yaml: not checked: Pod default/good: gold: it reads the namespace, and there is no cluster to ask"
        in outcome.stdout
    )
    [found] = json.loads(check("--format", "json", "pods.yaml").stdout)
    assert found["unchecked"] == ["gold"]
