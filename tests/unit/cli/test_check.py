"""Test `catflap check`, which gives the server's verdicts on files."""

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
pods.yaml: Pod default/bad has 1 violation:
- known-role: metadata.labels.role: unknown role 'fronted' (did you mean 'frontend'?); \
the roles are frontend, backend, data
To fix it, set in the manifest:
  metadata:
    labels:
      role: "frontend"  # or: backend, data

3 objects, 2 of them create Pods, 1 rejected
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"

Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function that runs the verb in its own folder under the default policy."""
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


def test_extra_kinds_of_the_policy_are_checked(check: Check) -> None:
    """A kind is identified by group and name in any version; another policy treats its objects as ordinary ones."""
    write({"widget.yaml": "apiVersion: example.com/v7\nkind: Widget\nmetadata: {name: web}\nspec: {}\n"})
    assert check("widget.yaml").stdout == "1 object, 0 of them create Pods, 0 rejected\n"
    write({"policy.yml": HEAD + WIDGETS})
    outcome = check("widget.yaml")
    assert "Widget default/web has 2 violations:\n- require-app: spec.pod.metadata.labels.app: " in outcome.stdout
    assert outcome.exit_code == 1


ON_HOST = GOOD + "spec: {hostNetwork: true, containers: [{name: c, image: i}]}\n"
OPEN_POLICIES = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open}
spec: {podSelector: {}, ingress: [{}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: open}
spec: {selector: all(), types: [Ingress], ingress: [{action: Allow}]}
"""


@pytest.mark.parametrize(("engine", "refused"), [("none", 0), ("kubernetes", 3), ("calico", 3)])
def test_rules_about_isolated_namespaces_hold_only_if_there_are_any(check: Check, engine: str, refused: int) -> None:
    """Without an engine catflap isolates no namespace, so the server rejects none of these objects either."""
    write(
        {
            "policy.yml": f"{HEAD}network: {{engine: {engine}}}\nrules: {{no-open-policy: enforce}}\n",
            "objects.yaml": f"{ON_HOST}---{OPEN_POLICIES}",
        }
    )
    assert check("objects.yaml").stdout.endswith(f"3 objects, 1 of them creates Pods, {refused} rejected\n")


def test_output_has_the_server_message(check: Check) -> None:
    """The output also has the number of objects."""
    write({"pods.yaml": f"{GOOD}---\n{BAD}---\n{SERVICE}"})
    outcome = check("pods.yaml")
    assert outcome.stdout == TEXT
    assert outcome.exit_code == 1


def test_a_program_reads_json(check: Check) -> None:
    """Each object has one entry, including objects without violations."""
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
                    "message": "unknown role 'fronted' (did you mean 'frontend'?); "
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
        pytest.param({"a.yaml": BAD}, ["a.yaml"], 1, "", id="one would be rejected"),
        pytest.param({"a.yaml": BROKEN}, ["a.yaml"], 2, "a.yaml:1:5: not YAML: ", id="one is not YAML"),
        pytest.param({"a.yaml": BAD, "b.yaml": BROKEN}, ["a.yaml", "b.yaml"], 2, "b.yaml:1:5: not YAML: ", id="both"),
        pytest.param({}, ["a.yaml"], 2, "a.yaml: no such file; expected manifests: ", id="it is not there"),
        pytest.param(
            {"a.yaml": OTHER}, ["a.yaml"], 2, "a.yaml:1:1: not a Kubernetes object", id="named, and no manifest"
        ),
        pytest.param({"d/a.yaml": OTHER, "d/b.yaml": GOOD}, ["d"], 0, "", id="another program's file in a folder"),
        pytest.param({"d/x/a.yml": BAD}, ["d"], 1, "", id="a folder in a folder"),
        pytest.param({"d/a.json": '{"apiVersion": "v1", "kind": "Pod"}'}, ["d"], 1, "", id="JSON"),
        pytest.param({"d/a.txt": BAD, "d/b.yaml": GOOD}, ["d"], 0, "", id="files of other kinds in a folder"),
        pytest.param({"d/a.txt": BAD}, ["d"], 2, "no manifest in d", id="files of other kinds alone"),
        pytest.param({"d/a.yaml": OTHER}, ["d"], 2, "no manifest in d, 1 file of", id="another program's file alone"),
        pytest.param({"a.txt": BAD}, ["a.txt"], 1, "", id="one of another kind that was named"),
        pytest.param(
            {"a.yaml": GOOD + "---\n5\n"}, ["a.yaml"], 2, "a.yaml:5:1: expected an object", id="a number among them"
        ),
        pytest.param({"a.yaml": BAD}, ["-n", "kube-system", "a.yaml"], 0, "", id="in an exempt namespace"),
        pytest.param({"a.yaml": "\ufeff" + GOOD}, ["a.yaml"], 0, "", id="a byte order mark"),
        pytest.param({"a.yaml": f"{GOOD}\n\ufeff# b.yaml\n"}, ["a.yaml"], 2, "a.yaml:", id="a byte order mark inside"),
        pytest.param({"a.yaml": ""}, ["a.yaml"], 2, "no manifest in a.yaml", id="nothing in it"),
        pytest.param({"a.yaml": "# c\n---\n"}, ["a.yaml"], 2, "no manifest in a.yaml", id="comments alone"),
        pytest.param({"a.yaml": "", "b.yaml": GOOD}, ["a.yaml", "b.yaml"], 0, "", id="nothing in one of two"),
        pytest.param({"a.yaml": "kind: List\napiVersion: v1\nitems: []\n"}, ["a.yaml"], 0, "", id="an empty List"),
    ],
)
def test_status_distinguishes_rejected_from_unreadable(
    check: Check, files: dict[str, str], arguments: list[str], status: int, complaint: str
) -> None:
    """The status is 0, 1 or 2; standard error names what cannot be read."""
    write(files)
    outcome = check(*arguments)
    assert outcome.exit_code == status, outcome.output
    assert outcome.stderr.startswith(f"catflap: {complaint}" if complaint else "")
    assert bool(outcome.stderr) == bool(complaint)


def test_all_files_are_read_before_the_end(check: Check) -> None:
    """A broken file does not hide violations in the others."""
    write({"a.yaml": f"{BROKEN}", "b.yaml": BAD})
    outcome = check("a.yaml", "b.yaml")
    assert "Pod default/bad has 1 violation" in outcome.stdout
    assert outcome.stderr.startswith("catflap: a.yaml:1:5: not YAML: ")


def test_standard_input_is_read_as_dash(check: Check) -> None:
    """The form is `kubectl … -o yaml | catflap check -`."""
    outcome = check("-n", "shop", "-", input=BAD)
    assert "-: Pod shop/bad has 1 violation:" in outcome.stdout
    assert outcome.exit_code == 1


def test_text_that_is_not_utf_8_is_read_like_kubectl(check: Check) -> None:
    """Kubectl reads replacement characters there, which matters in labels."""
    Path("a.yaml").write_bytes(GOOD.replace("web,", "web\xff,").encode("latin-1"))
    outcome = check("a.yaml")
    assert outcome.exit_code == 1
    assert "api-server: metadata.labels.app: 'web\ufffd' is not a valid label value" in outcome.stdout


def test_a_fault_that_only_warns_is_shown_and_refuses_nothing(check: Check) -> None:
    """The server does the same."""
    write({"policy.yml": HEAD + "mode: warn\n", "a.yaml": BAD})
    outcome = check("a.yaml")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(
        "a.yaml: warning: Pod default/bad: known-role: metadata.labels.role: unknown role 'fronted'"
    )
    assert outcome.stdout.endswith("1 object, 1 of them creates Pods, 0 rejected\n")


def test_invalid_policy_reports_every_fault(check: Check) -> None:
    """The command ends before it reads any manifest."""
    write({"policy.yml": HEAD + "mode: loud\nruls: []\n"})
    outcome = check("nothing.yaml")
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines() == [
        "catflap: policy.yml:3:1: mode: 'loud' is unknown; expected one of enforce, warn, audit, off",
        "catflap: policy.yml:4:1: ruls: unknown key; did you mean 'rules'?",
        "catflap: nothing.yaml: no such file; expected manifests: a file, a folder or - for standard input",
    ]


def test_custom_rules_are_evaluated(check: Check) -> None:
    """Rules that need a cluster are reported as not checked."""
    rules = [
        '{id: small, resources: [pods], cel: "object.metadata.name.size() < 4", message: a shorter name}',
        "{id: gold, resources: [pods], cel: \"namespaceObject.metadata.name == 'gold'\"}",
    ]
    write({"pods.yaml": GOOD, "policy.yml": f"{HEAD}custom: [{', '.join(rules)}]\n"})
    outcome = check("pods.yaml")
    assert outcome.exit_code == 1
    assert "pods.yaml: Pod default/good has 1 violation:\n- small: a shorter name\n" in outcome.stdout
    assert (
        "pods.yaml: not checked: Pod default/good: gold: it reads the namespace, and no cluster is available"
        in outcome.stdout
    )
    [found] = json.loads(check("--format", "json", "pods.yaml").stdout)
    assert found["unchecked"] == ["gold"]


VM = "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm}\n"


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--strict"], 1)])
def test_strict_fails_for_unchecked_objects(check: Check, arguments: list[str], status: int) -> None:
    """Without the option, the command reports it and succeeds."""
    write({"vm.yaml": f"{VM}---\n{GOOD}"})
    outcome = check(*arguments, "vm.yaml")
    assert outcome.exit_code == status
    assert outcome.stdout.startswith(
        "vm.yaml:1:1: not checked: VirtualMachine vm: VirtualMachine of kubevirt.io creates Pods"
    )
    assert outcome.stdout.endswith("2 objects, 1 of them creates Pods, 0 rejected, 1 not checked\n")
    [found, _] = json.loads(check("-o", "json", "vm.yaml").stdout)
    assert found["notJudged"].startswith("VirtualMachine of kubevirt.io creates Pods")


def test_extra_kind_is_checked_without_a_note(check: Check) -> None:
    """The kind is known in that case."""
    kinds = "{group: kubevirt.io, resource: virtualmachines, kind: VirtualMachine, template: spec.template}"
    write({"vm.yaml": VM, "policy.yml": f"{HEAD}workloads: {{extraKinds: [{kinds}]}}\n"})
    outcome = check("--strict", "vm.yaml")
    assert "not judged" not in outcome.stdout
    assert "VirtualMachine default/vm has 2 violations" in outcome.stdout


def test_an_empty_pipe_is_no_success(check: Check) -> None:
    """The example is `helm template … | catflap check -` after a failure of helm."""
    for text in ("", "\n", "# Source: chart/templates/web.yaml\n---\n"):
        outcome = check("-", input=text)
        assert outcome.exit_code == 2
        assert "standard input contains no manifest; if another command writes it (helm template" in outcome.stderr


def test_named_file_does_not_hide_an_empty_pipe(check: Check) -> None:
    """Each source is checked by itself."""
    write({"a.yaml": GOOD})
    outcome = check("a.yaml", "-", input="")
    assert outcome.exit_code == 2


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_a_file_of_powershell_is_read(check: Check, mark: bytes) -> None:
    """The file is UTF-16 with a byte order mark."""
    encoding = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    Path("a.yaml").write_bytes(mark + GOOD.replace("\n", "\r\n").encode(encoding))
    assert check("a.yaml").exit_code == 0


def test_labels_that_the_api_server_rejects_are_attributed_to_it(check: Check) -> None:
    """This holds in every namespace and for every kind; a rule about the label replaces the message."""
    bad = GOOD.replace("web,", '"my shop",')
    write({"a.yaml": f"{bad}---\n{SERVICE.replace('name: web', 'name: web, labels: {a/b/c: x}')}"})
    outcome = check("-n", "kube-system", "a.yaml")
    assert outcome.exit_code == 1
    assert (
        "Pod kube-system/good has 1 violation:\n- api-server: metadata.labels.app: 'my shop' is not a valid label "
        "value; " in outcome.stdout
    )
    assert (
        "Service shop/web has 1 violation:\n- api-server: metadata.labels['a/b/c']: 'a/b/c' is not a valid label key; "
        in outcome.stdout
    )
    write({"b.yaml": GOOD.replace("frontend", '"front end"')})
    assert "api-server" not in check("b.yaml").stdout


@pytest.mark.parametrize("option", ["-o", "--output", "--format"])
def test_output_option_has_a_former_name(check: Check, option: str) -> None:
    """The option has the same name in other verbs."""
    write({"a.yaml": GOOD})
    assert json.loads(check(option, "json", "a.yaml").stdout)[0]["allowed"]


@pytest.mark.parametrize("option", ["-n", "--own-namespace"])
def test_a_name_that_no_namespace_can_have_is_refused(check: Check, option: str) -> None:
    """No namespace has such a name, so the verdicts would be useless."""
    write({"a.yaml": GOOD})
    outcome = check(option, "A_B", "a.yaml")
    assert outcome.exit_code == 2
    assert (
        "namespace': 'A_B' is not a valid namespace name"
    ) in outcome.stderr or f"'{option}': 'A_B' is no" in outcome.stderr


def test_own_namespace_is_exempt(check: Check) -> None:
    """The server does the same."""
    write({"a.yaml": BAD.replace("name: bad", "name: bad, namespace: guard")})
    assert check("a.yaml").exit_code == 1
    assert check("--own-namespace", "guard", "a.yaml").exit_code == 0


def test_rendered_policies_are_rejected_with_the_reason(check: Check) -> None:
    """The reason is that catflap writes these objects itself."""
    rendered = CliRunner().invoke(main, ["render", "-c", "policy.yml", "-n", "shop"]).stdout
    outcome = check("-", input=rendered)
    assert outcome.exit_code == 1
    assert "the controller of catflap writes this policy" in outcome.stdout


def test_files_of_other_programs_in_a_folder_are_counted(check: Check) -> None:
    """Files that are neither YAML nor JSON count too."""
    others = {
        "d/Chart.yaml": "apiVersion: v2\nname: web\n", "d/values.yaml": "role: data\n", "d/docker-compose.yml": OTHER,
        "d/package.json": "{}", "d/tsconfig.json": "{\n // settings\n}", "d/kustomization.yaml": "resources: [web.yaml]\n",
    }  # fmt: skip
    write({**others, "d/web.yaml": GOOD})
    outcome = check("d")
    assert outcome.exit_code == 0
    assert outcome.stdout == "1 object, 1 of them creates Pods, 0 rejected, 6 files of other programs skipped\n"


def test_audited_violation_is_no_warning(check: Check) -> None:
    """Each effect has its own word, and names its object."""
    write({"policy.yml": HEAD + "rules: {known-role: audit}\n", "a.yaml": BAD})
    assert check("a.yaml").stdout.startswith("a.yaml: recorded only: Pod default/bad: known-role: ")
    [found] = json.loads(check("-o", "json", "a.yaml").stdout)
    assert [one["effect"] for one in found["violations"]] == ["recorded"]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_a_policy_file_of_powershell_is_read(check: Check, mark: bytes) -> None:
    """The file is UTF-16 with a byte order mark; the verbs are `check` and `config check`."""
    write({"a.yaml": GOOD})
    encoding = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    Path("policy.yml").write_bytes(mark + HEAD.replace("\n", "\r\n").encode(encoding))
    assert check("a.yaml").exit_code == 0
    assert CliRunner().invoke(main, ["config", "check", "policy.yml"]).exit_code == 0


def test_binary_policy_file_is_rejected(check: Check) -> None:
    """A policy file is read more strictly than a manifest."""
    write({"a.yaml": GOOD})
    Path("policy.yml").write_bytes(b"\xff" + HEAD.encode())
    assert check("a.yaml").exit_code == 2


@pytest.mark.parametrize("mode", ["warn", "audit", "enforce"])
def test_no_remedy_breaks_a_selector_whatever_the_mode_of_its_rule(check: Check, mode: str) -> None:
    """A program that applies the remedies in the JSON keeps the Pods under their ReplicaSet."""
    Path("policy.yml").write_text(f"{HEAD}rules: {{require-app: {mode}}}\n", encoding="utf-8")
    write({"set.yaml": SET})
    [found] = json.loads(check("-o", "json", "set.yaml").stdout)
    [violation] = [one for one in found["violations"] if one["rule"] == "require-app"]
    assert "remedy" not in violation


@pytest.mark.parametrize("mode", ["warn", "audit", "enforce"])
def test_a_possible_remedy_is_offered_whatever_the_mode_of_its_rule(check: Check, mode: str) -> None:
    """The JSON has the label that fixes a warning in the same form as one that fixes a refusal."""
    Path("policy.yml").write_text(f"{HEAD}rules: {{require-app: {mode}}}\n", encoding="utf-8")
    write({"set.yaml": SET.replace("DoesNotExist", "Exists")})
    [found] = json.loads(check("-o", "json", "set.yaml").stdout)
    [violation] = [one for one in found["violations"] if one["rule"] == "require-app"]
    assert violation["remedy"]["label"] == "app"


SET = """\
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  selector: {matchExpressions: [{key: app, operator: DoesNotExist}]}
  template: {metadata: {labels: {role: frontend}}, spec: {}}
"""
