"""Renders the chart once per values file, and installs it on a real API server."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.rendering import CHART, KUBERNETES, NAMESPACE, Rendered
from tests.cluster.conftest import cluster, namespace_name, pytest_collection_finish, tools
from tests.controlplane.tools import Tools

__all__ = ["cluster", "namespace_name", "pytest_collection_finish", "tools"]

Helm = Callable[..., "subprocess.CompletedProcess[str]"]
Render = Callable[..., Rendered]


@pytest.fixture(scope="session")
def helm(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Run helm without a cluster; `values` is a file, `settings` are those of --set."""
    home = tmp_path_factory.mktemp("helm")
    environment = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}

    def run(
        verb: str, *arguments: str, values: Path | None = None, settings: tuple[str, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        named = ["--values", str(values)] if values else []
        set_to = [word for setting in settings for word in ("--set", setting)]
        argv = [str(tools.helm), verb, *arguments, "--kube-version", KUBERNETES, *named, *set_to]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Return the result of `helm template` with a values file, which runs once."""
    known: dict[Path, Rendered] = {}

    def rendered(values: Path) -> Rendered:
        if values not in known:
            done = helm("template", "catflap", str(CHART), "--namespace", NAMESPACE, values=values)
            assert done.returncode == 0, done.stderr
            known[values] = Rendered(values, done.stdout)
        return known[values]

    return rendered
