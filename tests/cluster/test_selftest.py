"""Tests `helm test`: the chart's own account checks through the API server whether catflap judges requests."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.cluster.installation import CHART, NAMESPACE, RELEASE, Installation
from tests.cluster.manifests import join_manifests
from webhook.config.default import DEFAULT_POLICY

TEMPLATE = "templates/tests/admission.yaml"


def selftest(catflap: Installation, folder: Path, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `catflap selftest` with a policy file and the rights of the chart's test."""
    chart = ("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--show-only", TEMPLATE)
    rendered = yaml.safe_load_all(catflap.cluster.helm(*chart, "--values", str(catflap.folder / "values.yaml")).stdout)
    catflap.apply(join_manifests(*(one for one in rendered if one and one["kind"] != "Pod")), check=True)
    token = catflap.cluster.kubeconfig_for_service_account(NAMESPACE, "catflap-test")
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "webhook", "selftest", "-c", str(folder / "policy.yaml"), "--kubeconfig", str(token)]
    return subprocess.run([*argv, *options], capture_output=True, text=True, check=False, timeout=90)


def test_a_cluster_that_judges_passes(catflap: Installation, tmp_path: Path) -> None:
    """Nothing is stored."""
    catflap.configure()
    done = selftest(catflap, tmp_path, DEFAULT_POLICY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a Pod with labels is admitted in namespace default\na Pod without labels is rejected\n"
    assert (
        "catflap-selftest"
        not in catflap.cluster.kubectl("--namespace", "default", "get", "pods", "--output=name").stdout
    )


def test_a_cluster_that_judges_otherwise_fails(catflap: Installation, tmp_path: Path) -> None:
    """It does not reject what the file rejects, or rejects what the file admits."""
    catflap.configure({"mode": "warn"})
    lenient = selftest(catflap, tmp_path, DEFAULT_POLICY)
    assert lenient.returncode == 1
    assert "a Pod without labels is admitted in namespace default" in lenient.stderr
    catflap.configure({"workloads": {"role": {"oneOf": ["other"]}}})
    strict = selftest(catflap, tmp_path, DEFAULT_POLICY)
    assert strict.returncode == 1
    assert "a Pod with labels is rejected: " in strict.stderr


def test_what_cannot_be_found_out_is_no_success(catflap: Installation, tmp_path: Path) -> None:
    """For example, the account may create nothing in the namespace."""
    catflap.configure()
    done = selftest(catflap, tmp_path, DEFAULT_POLICY, "--namespace", "kube-public")
    assert (done.returncode, "namespace kube-public is exempt" in done.stderr) == (2, True)
    forbidden = selftest(catflap, tmp_path, DEFAULT_POLICY, "--namespace", "shop")
    assert (forbidden.returncode, "403" in forbidden.stderr) == (2, True)
