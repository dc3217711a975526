"""Test `catflap preview` with files: it shows what a policy file would refuse. Clusters have their own tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.cli import main

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}}}
"""
GOOD = "apiVersion: v1\nkind: Pod\nmetadata: {name: good, labels: {app: web, role: frontend}}\n"
BAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, uid: u, labels: {app: web, role: fronted}}\n"
MESSAGE = "unknown role 'fronted' (did you mean 'frontend'?); the roles are frontend, backend, data"  # of known-role

TABLE = """\
NAMESPACE   OWNER            RULE           PODS   WOULD BE
default     Pod/bad          known-role        1   refused
shop        Deployment/web   require-role      -   refused
3 objects of 3 owners: 2 would be rejected (1 Pod running)
rejected by rule: known-role 1, require-role 1
"""
CHANGED = """\
NAMESPACE   OWNER     RULE         PODS   WAS      WOULD BE
default     Pod/bad   known-role      1   warned   refused
rules.known-role: not set, was warn
1 object of 1 owner: 1 would have another result, 1 would be newly rejected
"""

Previewed = Callable[..., Result]


@pytest.fixture
def preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Previewed:
    """Return a function that runs the verb in a folder with manifests and an older policy, under the default policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    files = {
        "policy.yml": HEAD,
        "old.yml": f"{HEAD}rules: {{known-role: warn}}\n",
        "broken.yml": f"{HEAD}mode: loud\n",
        "all.yaml": f"{GOOD}---\n{BAD}---\n{DEPLOYMENT}",
        "good.yaml": GOOD,
        "bad.yaml": BAD,
        "none.yaml": "a: b: c\n",
    }
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, ["preview", "-c", "policy.yml", *arguments], **options)

    return run


def test_a_person_reads_a_table(preview: Previewed) -> None:
    """The rows are by namespace, owner and rule; without a terminal, lines are whole and have no colours."""
    outcome = preview("all.yaml")
    assert outcome.stdout == TABLE
    assert outcome.exit_code == 1


def test_wide_table_has_the_violation(preview: Previewed) -> None:
    """The message is on the same line, whatever its length."""
    outcome = preview("-o", "wide", "bad.yaml")
    assert outcome.stdout.splitlines()[1] == (
        f"default     Pod/bad   known-role      1   refused    metadata.labels.role: {MESSAGE}"
    )


def test_a_program_reads_json(preview: Previewed) -> None:
    """JSON has rows, totals, and what could not be read."""
    outcome = preview("-o", "json", "bad.yaml", "good.yaml")
    assert json.loads(outcome.stdout) == {
        "rows": [
            {
                "namespace": "default",
                "group": "",
                "kind": "Pod",
                "name": "bad",
                "rule": "known-role",
                "effect": "refused",
                "keepsRunning": False,
                "pods": 1,
                "faults": [{"path": "metadata.labels.role", "message": MESSAGE}],
            }
        ],
        "totals": {
            "objects": 2,
            "owners": 2,
            "refused": 1,
            "refusedPods": 1,
            "keepRunning": 0,
            "warned": 0,
            "recorded": 0,
            "refusedByRule": {"known-role": 1},
            "refusedByNamespace": {"default": 1},
        },
        "notes": [],
        "notLookedAt": [],
    }


def test_rules_that_read_the_namespace_are_named(preview: Previewed) -> None:
    """Files have no namespace, and no rule is silently skipped."""
    rule = "{id: mine, resources: [pods], cel: \"namespaceObject.metadata.name == 'x'\"}"
    Path("policy.yml").write_text(f"{HEAD}custom: [{rule}]\n", encoding="utf-8")
    outcome = preview("good.yaml")
    assert "not checked: mine: it reads the namespace, and no cluster is available" in outcome.stdout
    assert outcome.exit_code == 0


def test_comparison_shows_only_changes(preview: Previewed) -> None:
    """The output also has the keys that differ, in words."""
    outcome = preview("--against", "old.yml", "bad.yaml")
    assert outcome.stdout == CHANGED
    assert outcome.exit_code == 1


def test_changes_are_json_as_well(preview: Previewed) -> None:
    """JSON has the old and the new outcome."""
    outcome = preview("--against", "old.yml", "-o", "json", "bad.yaml")
    found = json.loads(outcome.stdout)
    [change] = found["changes"]
    assert change["before"] == {"effect": "warned", "keepsRunning": False}
    assert change["after"] == {"effect": "refused", "keepsRunning": False}
    assert found["differences"] == ["rules.known-role: not set, was warn"]


def test_newly_admitted_owner_is_shown(preview: Previewed) -> None:
    """The row has the old violations."""
    Path("policy.yml").write_text(f"{HEAD}mode: off\n", encoding="utf-8")
    outcome = preview("--against", "old.yml", "all.yaml")
    assert "shop        Deployment/web   require-role      -   refused   admitted\n" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        pytest.param(["good.yaml"], 0, "", id="nothing would be rejected"),
        pytest.param(["bad.yaml"], 1, "", id="something would"),
        pytest.param(["-n", "kube-system", "bad.yaml"], 0, "", id="in an exempt namespace"),
        pytest.param(["bad.yaml", "none.yaml"], 2, "none.yaml:1:5: not YAML: ", id="one cannot be read"),
        pytest.param(["nowhere.yaml"], 2, "nowhere.yaml: no such file", id="it is not there"),
        pytest.param(["--against", "old.yml"], 1, "", id="files alone, which differ"),
        pytest.param(["--against", "policy.yml"], 0, "", id="files alone, which do not"),
        pytest.param(["--against", "policy.yml", "bad.yaml"], 0, "", id="refused by both"),
        pytest.param([], 2, "pass PATH... or --cluster", id="nothing to look at"),
        pytest.param(["--cluster", "good.yaml"], 2, "pass either PATH... or a cluster", id="both"),
        pytest.param(["-n", "a", "-n", "b", "good.yaml"], 2, "-n/--namespace: ", id="two namespaces of files"),
        pytest.param(["--against", "old.yml", "--against-cluster"], 2, "--against and --against-cluster ", id="two old"),
        pytest.param(["--against", "broken.yml", "good.yaml"], 2, "broken.yml:3:1: mode: ", id="a bad file before"),
        pytest.param(["--cluster"], 2, "cannot use the default kubeconfig: ", id="no cluster"),
        pytest.param(["--kubeconfig", "none.yaml"], 2, "cannot use --kubeconfig none.yaml: ", id="no kubeconfig"),
    ],
)  # fmt: skip
def test_exit_status(preview: Previewed, arguments: list[str], status: int, complaint: str) -> None:
    """The status is 0, 1 or 2; standard error has the message."""
    outcome = preview(*arguments)
    assert outcome.exit_code == status, outcome.output
    assert outcome.stderr.startswith(f"catflap: {complaint}" if complaint else "")
    assert bool(outcome.stderr) == bool(complaint)


def test_comparison_without_differences_has_a_message(preview: Previewed) -> None:
    """Silence would be ambiguous."""
    assert preview("--against", "policy.yml").stdout == "no differences\n"


def test_a_name_is_no_markup(preview: Previewed) -> None:
    """This holds for any form of the name."""
    outcome = preview("-", input=BAD.replace("name: bad", 'name: "[red]bad"'))
    assert "default     Pod/[red]bad   known-role" in outcome.stdout


def test_a_pod_of_a_manifest_does_not_run(preview: Previewed) -> None:
    """Only a Pod with an identity from an API server may run."""
    Path("bare.yaml").write_text(BAD.replace("uid: u, ", ""), encoding="utf-8")
    assert "1 would be rejected\n" in preview("bare.yaml").stdout
    assert "1 would be rejected (1 Pod running)\n" in preview("bad.yaml").stdout


def test_unchecked_objects_are_listed_below_the_table(preview: Previewed) -> None:
    """The notes of the JSON have the same."""
    Path("vm.yaml").write_text(
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm}\n", encoding="utf-8"
    )
    outcome = preview("vm.yaml")
    assert "vm.yaml:1:1: not checked: VirtualMachine vm: VirtualMachine of kubevirt.io creates Pods" in outcome.stdout
    assert outcome.exit_code == 0
    [note] = json.loads(preview("-o", "json", "vm.yaml").stdout)["notes"]
    assert note.startswith("vm.yaml:1:1: not checked: ")


def test_an_empty_pipe_is_no_success(preview: Previewed) -> None:
    """The previous command may have failed."""
    outcome = preview("-", input="")
    assert outcome.exit_code == 2
    assert "standard input contains no manifest" in outcome.stderr


def test_a_label_that_the_api_server_refuses_is_a_line(preview: Previewed) -> None:
    """`catflap check` refuses the same object."""
    Path("strange.yaml").write_text(GOOD.replace("app: web", 'app: web, tier: "a b"'), encoding="utf-8")
    outcome = preview("-o", "wide", "strange.yaml")
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines()[1].startswith(
        "default     Pod/good   api-server      -   refused    metadata.labels.tier: 'a b' is no"
    )


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--own-namespace", "guards"], 1)])
def test_the_namespace_of_catflap_is_exempt(preview: Previewed, arguments: list[str], code: int) -> None:
    """`catflap check` does the same."""
    manifest = DEPLOYMENT.replace("shop", "catflap-system")
    assert preview(*arguments, "-", input=manifest).exit_code == code
