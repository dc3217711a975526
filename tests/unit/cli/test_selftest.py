"""Test the Pods that `catflap selftest` sends, and its conclusions; the chart's test uses a real API server."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.cli import main, selftest
from webhook.kube.api import ApiError

OURS = (
    'POST: 403: admission webhook "pods.catflap.dev" denied the request: Pod default/catflap-selftest has 2 violations:'
)
OTHERS = 'POST: 403: admission webhook "other.example" denied the request: no'


class FakeApi:
    """A fake API server with an answer to each Pod; it remembers the requests."""

    def __init__(self, labelled: str = "", unlabelled: str = OURS, status: int = 403) -> None:
        self._answers = {True: labelled, False: unlabelled}
        self._status = status
        self.asked: list[dict[str, str]] = []

    def try_create(self, path: str, body: dict[str, Any]) -> None:
        """Refuse a Pod if there is an answer to it."""
        assert path == f"/api/v1/namespaces/{body['metadata']['namespace']}/pods"
        self.asked.append(body["metadata"].get("labels", {}))
        if said := self._answers[bool(self.asked[-1])]:
            raise ApiError(self._status, said)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, api: FakeApi, *arguments: str, text: str = "") -> Result:
    """Run the verb under a policy with these lines."""
    monkeypatch.setattr(selftest, "connect_as_kubectl", lambda *_: api)
    (folder / "policy.yaml").write_text(HEAD + text, encoding="utf-8")
    return CliRunner().invoke(main, ["selftest", "-c", str(folder / "policy.yaml"), *arguments])


REQUIRING = "workloads: {require: [{label: team, oneOf: [shop]}, {label: cost, matches: '[0-9]+'}]}"


@pytest.mark.parametrize(
    ("text", "arguments", "labels"),
    [
        pytest.param("", [], {"app": "catflap-selftest", "role": "frontend"}, id="by default"),
        pytest.param("workloads: {role: {label: tier, oneOf: [x]}}", [], {"app": "catflap-selftest", "tier": "x"}, id="other labels"),
        pytest.param("roles: {frontend: {claim: {namespaces: [edge]}}}", [], {"app": "catflap-selftest", "role": "backend"}, id="a claimed role"),
        pytest.param(
            REQUIRING, ["--label", "cost=1"], {"app": "catflap-selftest", "role": "frontend", "team": "shop", "cost": "1"}, id="further labels"
        ),
    ],
)  # fmt: skip
def test_the_labels_follow_from_the_policy_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, arguments: list[str], labels: dict[str, str]
) -> None:
    """The labels are those of a printed fix."""
    api = FakeApi(unlabelled=OURS.replace("2 violations", "4 violations") if "require" in text else OURS)
    outcome = run(tmp_path, monkeypatch, api, *arguments, text=text)
    assert outcome.exit_code == 0, outcome.stderr
    assert api.asked == [labels, {}]


@pytest.mark.parametrize(
    ("api", "text", "outcome"),
    [
        pytest.param(FakeApi(), "", (0, "a Pod without labels is rejected"), id="as it should be"),
        pytest.param(FakeApi(unlabelled=""), "", (1, "a Pod without labels is admitted in namespace default"), id="not registered"),
        pytest.param(FakeApi(labelled=OTHERS), "", (1, "a Pod with labels is rejected: "), id="refused"),
        pytest.param(FakeApi(unlabelled=OTHERS), "", (1, "rejected, but not by catflap"), id="by another webhook"),
        pytest.param(FakeApi(unlabelled=""), "mode: warn", (0, ("the policy file does not reject Pods without "
                                                               "labels there")), id="a mode that refuses nothing"),
        pytest.param(FakeApi(labelled="POST: 403: pods is forbidden"), "", (2, "pods is forbidden"), id="no right"),
        pytest.param(FakeApi(labelled="POST: 0: no answer", status=0), "", (2, "no answer"), id="no answer"),
        pytest.param(FakeApi(), "namespaces: {exempt: [default]}", (2, ("choose another namespace with "
                                                                       "-n")), id="an exempt namespace"),
        pytest.param(FakeApi(), REQUIRING, (2, "pass them with --label"), id="a label that nobody can guess"),
    ],
)  # fmt: skip
def test_status_follows_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: FakeApi, text: str, outcome: tuple[int, str]
) -> None:
    """The status is 0 for the file's verdicts, 1 for others, and 2 if they are unknown."""
    code, says = outcome
    found = run(tmp_path, monkeypatch, api, text=text)
    assert found.exit_code == code
    assert says in found.output


@pytest.mark.parametrize(
    ("labels", "complaints"),
    [
        pytest.param(["cost"], ["cost: write KEY=VALUE"], id="no value"),
        pytest.param([""], ["'': write KEY=VALUE"], id="nothing"),
        pytest.param(["a=b", "a=c"], ["a=c: the key a occurs twice; use it once"], id="a key twice"),
        pytest.param(["a b=c d"], ["a b=c d: 'a b' is not a valid label key", "a b=c d: 'c d' is not"], id="no label"),
        pytest.param(["cost", "a=b c"], ["cost: write KEY=VALUE", "a=b c: 'b c' is not a valid"], id="two faults"),
    ],
)
def test_a_wrong_label_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: list[str], complaints: list[str]
) -> None:
    """The message names each wrong label, and says how to write it."""
    outcome = run(tmp_path, monkeypatch, FakeApi(), *(f"--label={label}" for label in labels))
    lines = outcome.stderr.splitlines()
    assert outcome.exit_code == 2
    assert len(lines) == len(complaints)
    assert all(
        line.startswith(f"catflap: --label {complaint}") for line, complaint in zip(lines, complaints, strict=True)
    )
