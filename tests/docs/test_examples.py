"""Test that catflap and its chart accept the files under examples/ and the pages of the first steps."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from tests.chart.rendering import CHART, merged
from tests.docs.test_docs import ROOT
from webhook.cli import main
from webhook.config.remarks import remarks_on

EXAMPLES: Final = ROOT / "examples"
POLICIES: Final = sorted((EXAMPLES / "policies").iterdir())
VALUES: Final = sorted((EXAMPLES / "values").iterdir())
WORKLOADS: Final = EXAMPLES / "workloads"
QUICK_START: Final = ROOT / "docs" / "quick-start.md"
PAGES: Final = (QUICK_START, ROOT / "docs" / "roll-out.md", ROOT / "docs" / "upgrade.md")
INDENTED_BLOCK: Final = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
MOST_LINES: Final = 60  # what a reader sees at once
# A day before the end of each exception in the pages; with the real clock they would become faulty later.
AT: Final = datetime(2026, 12, 1, tzinfo=UTC)
POD: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"run": "web"}},  # as `kubectl run` labels it
    "spec": {"containers": [{"name": "web", "image": "busybox:1.37"}]},
}

by_name = pytest.mark.parametrize("path", [*POLICIES, *VALUES], ids=lambda path: path.stem)


def chart_values() -> dict[str, Any]:
    """Return the chart's own values."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    return values


def with_defaults(text: str) -> dict[str, Any]:
    """Return values as helm merges them with those of the chart."""
    return merged(chart_values(), yaml.safe_load(text) or {})


def policy_text(path: Path) -> str:
    """Return the policy file of an example; for Helm values, it is the one that the chart makes."""
    text = path.read_text("utf-8")
    return yaml.safe_dump(with_defaults(text)["policy"]) if path in VALUES else text


def snippets(language: str) -> list[tuple[str, str]]:
    """Return the code blocks of a language with their pages; blocks in lists lose their indentation."""
    return [
        (page.name, dedent(text))
        for page in PAGES
        for _, found, text in INDENTED_BLOCK.findall(page.read_text("utf-8"))
        if found == language
    ]


def commands(program: str) -> list[str]:
    """Return the commands of the pages that begin with a program, with continued lines joined."""
    joined = (text.replace("\\\n", " ") for _, text in snippets("console"))
    return [line[2:] for text in joined for line in text.splitlines() if line.startswith(f"$ {program} ")]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_config_check_has_nothing_to_say_about_a_policy(path: Path) -> None:
    """There are no faults and no settings without effect."""
    outcome = CliRunner().invoke(main, ["config", "check", str(path)])
    assert (outcome.exit_code, outcome.output) == (0, "")


def test_policies_in_the_pages_have_no_faults_and_no_remarks() -> None:
    """The time is a day before the end of the exceptions."""
    found = [(page, text) for page, text in snippets("yaml") if "kind: GuardPolicy" in text]
    assert found
    assert [(page, remarks_on(text, AT)) for page, text in found if remarks_on(text, AT)] == []


@by_name
def test_the_workloads_pass_under_each_policy(path: Path, tmp_path: Path) -> None:
    """Each of the three is judged, and none is rejected or causes a warning."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(policy_text(path), encoding="utf-8")
    argv = ["check", "--strict", "--policy", str(policy), "--namespace", "shop", "--output", "json", str(WORKLOADS)]
    outcome = CliRunner().invoke(main, argv)
    assert outcome.exit_code == 0, outcome.output
    judged = [one for one in json.loads(outcome.stdout) if one["kind"] == "Deployment"]
    assert len(judged) == len(list(WORKLOADS.iterdir()))
    assert [one for one in judged if not one["allowed"] or one["violations"]] == []


@pytest.mark.parametrize("role", ["frontend", "backend", "data"])
def test_each_role_has_a_workload_of_its_port(role: str) -> None:
    """The flows of the policies name the port that the container listens on."""
    deployment, service = yaml.safe_load_all((WORKLOADS / f"{role}.yaml").read_text("utf-8"))
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"]["role"] == role
    port = template["spec"]["containers"][0]["ports"][0]["containerPort"]
    assert service["spec"]["ports"][0]["targetPort"] == port
    flows = [
        flow for path in (*POLICIES, *VALUES) for flow in yaml.safe_load(policy_text(path))["network"].get("flows", [])
    ]
    assert {number for flow in flows if flow["to"] == role for number in flow["ports"]} == {f"{port}/TCP"}


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_the_chart_takes_the_values(path: Path) -> None:
    """The schema accepts the values with the image of this release, and the policy file has no faults or remarks."""
    values = with_defaults(path.read_text("utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(values)] == []
    assert values["image"]["tag"] == yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    assert remarks_on(yaml.safe_dump(values["policy"]), AT) == []


def test_the_schema_would_refuse_a_misspelt_value() -> None:
    """This proves that the previous test can fail."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert list(Draft7Validator(schema).iter_errors(with_defaults("image: {repo: catflap}")))


def test_values_in_the_pages_are_values_of_the_chart() -> None:
    """The test has each block of Helm values, and each `--set`."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    blocks = [text for _, text in snippets("yaml") if "kind: GuardPolicy" not in text]
    settings = [found for line in commands("helm") for found in re.findall(r"--set (\S+)=(\S+)", line)]
    assert blocks
    assert settings
    for name, value in settings:
        first, *rest = reversed(name.split("."))
        nested: Any = {first: yaml.safe_load(value)}
        for key in rest:
            nested = {key: nested}
        blocks.append(yaml.safe_dump(nested))
    for text in blocks:
        assert [error.message for error in Draft7Validator(schema).iter_errors(with_defaults(text))] == [], text


def test_files_that_commands_name_exist() -> None:
    """The test has each path below examples/ and charts/."""
    text = "\n".join(block for _, block in snippets("console"))
    named = set(re.findall(r"(?<![\w/])(?:examples|charts)/[\w./-]+", text))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_commands_name_flags_of_the_verbs() -> None:
    """Indented blocks are included, which the test of all pages does not read."""
    used = [(words[0], words[1:]) for line in commands("catflap") if (words := line.split()[1:])]
    assert used
    for verb, rest in used:
        inner = [verb, rest[0]] if verb in {"audit", "config"} else [verb]
        known = CliRunner().invoke(main, [*inner, "--help"])
        assert known.exit_code == 0, inner
        assert [word for word in rest if word.startswith("-") and word not in known.output] == []


def test_the_quick_start_shows_what_a_user_reads(tmp_path: Path) -> None:
    """The refusal is the server's, as `catflap check` prints it."""
    policy, pod = tmp_path / "policy.yaml", tmp_path / "pod.yaml"
    policy.write_text(policy_text(EXAMPLES / "values" / "kind.yaml"), encoding="utf-8")
    pod.write_text(yaml.safe_dump(POD), encoding="utf-8")
    outcome = CliRunner().invoke(main, ["check", "-c", str(policy), "-n", "shop", str(pod)])
    assert outcome.exit_code == 1
    message = outcome.stdout.partition("Pod shop/web")[2].partition("\n\n")[0]
    assert any(message in text for _, text in snippets("console")), message


def test_the_quick_start_shows_the_policies_that_a_namespace_gets(tmp_path: Path) -> None:
    """The policies are those of the values for kind, as `catflap render` prints them."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(policy_text(EXAMPLES / "values" / "kind.yaml"), encoding="utf-8")
    outcome = CliRunner().invoke(main, ["render", "-c", str(policy), "-n", "shop"])
    written = {one["metadata"]["name"] for one in yaml.safe_load_all(outcome.stdout)}
    shown = re.findall(r"networkpolicy\.networking\.k8s\.io/(\S+)", QUICK_START.read_text("utf-8"))
    assert written == set(shown)


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_why(path: Path) -> None:
    """There is a comment at the top, and others for a reader's questions."""
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) < MOST_LINES
    assert lines[0].startswith("# ")
    assert sum(line.lstrip().startswith("# ") for line in lines) > 1
