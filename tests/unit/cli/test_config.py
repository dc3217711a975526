"""Test `catflap config` with a policy file alone."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.config.default import DEFAULT_POLICY
from webhook.config.json_schema import schema, spelled_out
from webhook.config.parse import parse

CASES: Final = sorted((Path(__file__).parents[2] / "cases").rglob("policy.yaml"))
SOUND: Final = (
    HEAD
    + "mode: warn\nworkloads: {role: {oneOf: [frontend, backend]}}\nnetwork: {flows: [{from: frontend, to: backend, ports: [8080/TCP]}]}\n"
)
FAULTY: Final = HEAD + "mode: wan\nrules:\n  require-ap: warn\n"
FAULTS: Final = (
    "3:1: mode: 'wan' is unknown; expected one of enforce, warn, audit, off; did you mean 'warn'?",
    "5:3: rules.require-ap: unknown rule 'require-ap'; did you mean 'require-app'?",
)


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run the verb."""
    return CliRunner().invoke(main, ["config", *arguments], input=stdin)


def write_file(folder: Path, text: str, name: str = "policy.yaml") -> str:
    """Write a file and return its name."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def is_comment(line: str) -> bool:
    """Return whether a line is a comment about the next one."""
    return line.lstrip().startswith("# ")


class TestCheck:
    """`config check` reports every fault with its place."""

    def test_a_sound_file_is_silent(self, tmp_path: Path) -> None:
        """The status is 0."""
        outcome = run("check", write_file(tmp_path, SOUND), write_file(tmp_path, DEFAULT_POLICY, "other.yaml"))
        assert (outcome.exit_code, outcome.output) == (0, "")

    def test_every_fault_of_every_file_is_a_line(self, tmp_path: Path) -> None:
        """Editors and CI jobs can parse the lines; the status is 1."""
        bad, good = write_file(tmp_path, FAULTY), write_file(tmp_path, SOUND, "good.yaml")
        again = write_file(tmp_path, "mode: [", "broken.yaml")
        outcome = run("check", bad, good, again)
        lines = outcome.stdout.splitlines()
        assert outcome.exit_code == 1
        assert [line.startswith(f"{bad}:{fault}") for line, fault in zip(lines, FAULTS, strict=False)] == [True, True]
        assert [line.startswith(f"{again}:1:8: mode: not YAML: ") for line in lines[2:]] == [True]

    def test_standard_input(self) -> None:
        """A pipe can provide the policy file."""
        assert run("check", "-", stdin=SOUND).exit_code == 0
        outcome = run("check", "-", stdin=FAULTY)
        assert (outcome.exit_code, outcome.stdout.startswith(f"-:{FAULTS[0]}")) == (1, True)

    def test_unreadable_input_is_status_2(self, tmp_path: Path) -> None:
        """The status is not about the policy."""
        assert run("check", str(tmp_path / "nowhere.yaml")).exit_code == 2
        (tmp_path / "binary").write_bytes(b"mode\xff")
        outcome = run("check", str(tmp_path / "binary"))
        assert (outcome.exit_code, outcome.stderr.startswith(f"catflap: {tmp_path}/binary: ")) == (2, True)
        assert run("check").exit_code == 2

    @pytest.mark.parametrize(
        "command", [["config", "check"], ["config", "show"], ["check", "-c", "good.yaml"], ["render", "-n", "a", "-c"]]
    )
    @pytest.mark.parametrize(
        "text", ["", "\n", "  \n\n", "# a comment\n", "---\n", "---\n# a comment\n...\n", "\ufeff", "null\n", "~"]
    )
    def test_empty_input_is_status_2_of_each_verb(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], text: str
    ) -> None:
        """The input is a file and standard input: an empty text can be neither right nor wrong."""
        monkeypatch.chdir(tmp_path)
        write_file(tmp_path, SOUND, "good.yaml")
        write_file(tmp_path, text, "empty.yaml")
        for name in ("empty.yaml", "-"):
            outcome = CliRunner().invoke(main, [*command, name], input=text)
            assert (outcome.exit_code, "empty.yaml" in outcome.stderr or "that command failed" in outcome.stderr) == (
                2,
                True,
            )

    def test_an_empty_file_hides_no_fault_of_another(self, tmp_path: Path) -> None:
        """The order makes no difference; the status is 2, as nothing is known about the empty file."""
        bad, empty = write_file(tmp_path, FAULTY), write_file(tmp_path, "", "empty.yaml")
        for names in ((bad, empty), (empty, bad)):
            outcome = run("check", *names)
            assert (outcome.exit_code, len(outcome.stdout.splitlines()), len(outcome.stderr.splitlines())) == (
                2,
                len(FAULTS),
                1,
            )

    def test_a_config_map_with_an_empty_policy_file_has_a_fault(self) -> None:
        """The manifest itself has content; the status is 1."""
        outcome = run(
            "check",
            "-",
            stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: catflap-policy}\ndata: {policy.yaml: ''}\n",
        )
        assert (
            outcome.exit_code,
            outcome.stdout.startswith("-:4:21: data['policy.yaml']: it contains no policy; "),
        ) == (1, True)

    def test_a_file_that_is_not_there_hides_no_fault_of_another(self, tmp_path: Path) -> None:
        """The order makes no difference; the status is 2, as one file was not checked."""
        bad, nowhere = write_file(tmp_path, FAULTY), str(tmp_path / "nowhere.yaml")
        for names in ((bad, nowhere, str(tmp_path)), (str(tmp_path), nowhere, bad)):
            outcome = run("check", *names)
            assert (outcome.exit_code, len(outcome.stdout.splitlines())) == (2, len(FAULTS))
            told = {
                f"catflap: {nowhere}: no such file; expected a policy file",
                f"catflap: {tmp_path}: this is a folder; expected a policy file",
            }
            assert set(outcome.stderr.splitlines()) == told

    def test_standard_input_is_named_once(self) -> None:
        """A second read would be empty."""
        outcome = run("check", "-", "-", stdin=SOUND)
        assert (outcome.exit_code, "standard input can be read only once" in outcome.stderr) == (2, True)

    def test_setting_without_effect_is_a_warning(self, tmp_path: Path) -> None:
        """The warning is on standard error, and the status is 0."""
        path = write_file(tmp_path, f"{HEAD}network: {{clusterCIDRs: [10.0.0.0/8, 10.1.0.0/16]}}\n")
        outcome = run("check", path)
        told = (
            f"{path}:3:38: warning: network.clusterCIDRs[1]: 10.1.0.0/16 is already included in 10.0.0.0/8; remove it\n"
        )
        assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "", told)

    def test_warnings_are_printed_with_faults(self, tmp_path: Path) -> None:
        """The faults are on standard output as usual, and determine the status."""
        path = write_file(tmp_path, f"{FAULTY}network: {{nodeCIDRs: [10.0.0.0/8]}}\n")
        outcome = run("check", path)
        warning = f"{path}:6:11: warning: network.nodeCIDRs: it has no effect without the preset kubelet-probes\n"
        assert (outcome.exit_code, len(outcome.stdout.splitlines()), outcome.stderr) == (1, len(FAULTS), warning)


class TestShow:
    """`config show` prints every key with its meaning."""

    def test_the_defaults_are_the_defaults(self) -> None:
        """The output parses to the default policy; each key has a comment above it."""
        outcome = run("show")
        assert outcome.exit_code == 0
        assert parse(outcome.stdout).policy == parse(DEFAULT_POLICY).policy
        keys = [(above, line) for above, line in pairwise(outcome.stdout.splitlines()) if not is_comment(line)]
        assert [line for above, line in keys if not is_comment(above)] == []

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
    def test_a_file_spelled_out_means_the_same(self, case: Path) -> None:
        """This holds for every content of the file."""
        policy = parse(case.read_text("utf-8")).policy
        assert parse(spelled_out(policy)).policy == policy
        assert parse(run("show", str(case)).stdout).policy == policy

    def test_a_bad_file_is_not_shown(self, tmp_path: Path) -> None:
        """The command prints its faults, with status 2."""
        path = write_file(tmp_path, FAULTY)
        outcome = run("show", path)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith(f"catflap: {path}:{FAULTS[0]}")


class TestSchema:
    """`config schema` prints the schema for editors."""

    def test_schema_is_valid(self) -> None:
        """The schema is valid in the draft that it names."""
        printed = json.loads(run("schema").stdout)
        assert printed == schema()
        Draft202012Validator.check_schema(printed)

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
    def test_schema_accepts_every_valid_policy(self, case: Path) -> None:
        """The test has every policy of the test cases."""
        Draft202012Validator(schema()).validate(yaml.safe_load(case.read_text("utf-8")))

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"mode": "wan"}, id="a mode that there is not"),
            pytest.param({"rules": {"require-ap": "warn"}}, id="a rule that there is not"),
            pytest.param({"rules": {"require-app": "wan"}}, id="its mode"),
            pytest.param({"workload": {}}, id="a key that there is not"),
            pytest.param({"workloads": {"existingWorkloads": "keep"}}, id="a nested value"),
            pytest.param({"network": {"flows": [{"from": "frontend"}]}}, id="a flow to nowhere"),
        ],
    )
    def test_schema_rejects_structural_faults(self, change: dict[str, Any]) -> None:
        """Only `config check` finds contradictions between keys."""
        whole = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
        assert Draft202012Validator(schema()).is_valid(whole)
        assert not Draft202012Validator(schema()).is_valid({**whole, **change})
