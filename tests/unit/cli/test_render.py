"""Test `catflap render`, which prints the manifests that close a namespace."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.config.parse import parse
from webhook.netpol.dns import PRESETS, WITH_ADDRESSES
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace


def run(folder: Path, *arguments: str, text: str = "") -> Result:
    """Run the verb under a policy with these lines."""
    (folder / "policy.yaml").write_text(HEAD + text, encoding="utf-8")
    return CliRunner().invoke(main, ["render", "-c", str(folder / "policy.yaml"), *arguments])


@pytest.mark.parametrize(
    ("text", "arguments", "engine"),
    [
        pytest.param("", [], PolicyEngine.KUBERNETES, id="auto is plain without a cluster"),
        pytest.param("network: {engine: calico}", [], PolicyEngine.CALICO, id="the policy's"),
        pytest.param("", ["--engine", "calico"], PolicyEngine.CALICO, id="the one asked for"),
        pytest.param("network: {engine: calico}", ["--engine", "kubernetes"], PolicyEngine.KUBERNETES, id="it wins"),
    ],
)
def test_output_equals_the_policies_of_the_controller(
    tmp_path: Path, text: str, arguments: list[str], engine: PolicyEngine
) -> None:
    """The namespace's uid is the exception, which only a cluster knows."""
    outcome = run(tmp_path, "-n", "shop", *arguments, text=text)
    loaded = parse(HEAD + text)
    assert outcome.exit_code == 0
    assert list(yaml.safe_load_all(outcome.stdout)) == list(
        render_namespace(loaded.policy, RenderTarget("shop", "", loaded.digest), engine)
    )


def test_the_text_is_for_people_too(tmp_path: Path) -> None:
    """The text has no anchors, no folded lines, and catflap's order of keys."""
    lines = run(tmp_path, "-n", "shop", text="network: {dns: kube-dns}").stdout.splitlines()
    assert lines[:4] == ["---", "apiVersion: networking.k8s.io/v1", "kind: NetworkPolicy", "metadata:"]
    assert not any(mark in line for line in lines for mark in "&*!")


INCLUDING = "namespaces: {includeExisting: [default, catflap-system]}"
LEFT_OPEN = [
    pytest.param("kube-system", [], "", "it is a namespace of Kubernetes (kube-node-lease, kube-public, "
                                        "kube-system)", id="system"),
    pytest.param("calico-system", [], "", "namespaces.exempt contains it", id="exempt by default"),
    pytest.param("build", [], "namespaces: {exempt: [build]}", "namespaces.exempt contains "
                                                               "it", id="exempt by the file"),
    pytest.param(
        "sys-a", [], "namespaces: {reserved: {prefixes: ['sys-*']}}", "its name starts with a prefix in "
                                                                      "namespaces.reserved.prefixes", id="reserved"
    ),
    pytest.param("catflap-system", [], INCLUDING, "catflap runs in it", id="our own"),
    pytest.param("guards", ["--own-namespace", "guards"], "", "catflap runs in it", id="our own elsewhere"),
    pytest.param("default", [], "", "it is older than catflap, and namespaces.includeExisting does not contain "
                                    "it", id="not included"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "text", "why"), LEFT_OPEN)
def test_namespace_that_stays_open_has_no_output(
    tmp_path: Path, name: str, arguments: list[str], text: str, why: str
) -> None:
    """The reason is on standard error, so that a pipe stays empty."""
    outcome = run(tmp_path, "-n", name, *arguments, text=text)
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr == f"catflap: namespace {name} gets no policies: {why}\n"


@pytest.mark.parametrize(("name", "arguments"), [("default", []), ("catflap-system", ["--own-namespace", "guards"])])
def test_a_namespace_that_is_included_gets_its_policies(tmp_path: Path, name: str, arguments: list[str]) -> None:
    """The namespace is older than catflap."""
    outcome = run(tmp_path, "-n", name, *arguments, text=INCLUDING)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert {one["metadata"]["namespace"] for one in yaml.safe_load_all(outcome.stdout)} == {name}


@pytest.mark.parametrize("name", ["Shop", "a b", "", "../x"])
def test_invalid_namespace_is_rejected(tmp_path: Path, name: str) -> None:
    """The name would become text in a manifest."""
    outcome = run(tmp_path, "-n", name)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert " namespace name: " in outcome.stderr


@pytest.mark.parametrize(
    ("dns", "says"),
    [
        pytest.param(
            "auto",
            ["so it uses the preset node-local", ("The cluster address of the DNS Service is missing")],
            id="auto",
        ),
        *(
            pytest.param(preset, ["The cluster address of the DNS Service is missing"], id=preset)
            for preset in sorted(WITH_ADDRESSES)
        ),
        *(pytest.param(preset, [], id=preset) for preset in sorted(set(PRESETS) - WITH_ADDRESSES)),
        pytest.param("[]", [], id="an empty list"),
        pytest.param("[{cidrs: [10.96.0.10/32]}]", [], id="a list with the address"),
    ],
)
@pytest.mark.parametrize("engine", PolicyEngine)
def test_comments_name_assumptions_about_the_cluster(
    tmp_path: Path, engine: PolicyEngine, dns: str, says: list[str]
) -> None:
    """The comments precede the first object, so that the manifests stay the same for kubectl."""
    outcome = run(tmp_path, "-n", "shop", "--engine", str(engine), text=f"network: {{dns: {dns}}}")
    comments, mark, _ = outcome.stdout.partition("---\n")
    assert mark
    assert bool(comments) == bool(says)
    assert all(line.startswith("# ") for line in comments.splitlines())
    assert all(one in comments for one in says)
    assert ("uses the preset" in comments) == (dns == "auto")
