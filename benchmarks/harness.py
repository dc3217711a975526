"""Start an installation on its own control plane for a benchmark, and print its results."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.cluster.installation import SECRET_PATH, Installation, installed
from tests.cluster.load_scenarios import another_controller
from tests.cluster.policies import GROUPS
from tests.controlplane.cluster import running
from tests.controlplane.progress import Progress
from tests.controlplane.tools import ensure


def argument_parser(description: str | None) -> ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=GROUPS, default="kubernetes")
    return parser


@contextmanager
def installation(engine: str, *, controllers: int = 1, worker: str = "asgi") -> Iterator[Installation]:
    """Install the chart's configurations and permissions on a new control plane; start that many controllers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        cluster = stack.enter_context(running(ensure(Progress(sys.stderr))))
        if engine == "calico":
            cluster.install_calico()
        catflap = stack.enter_context(installed(cluster, folder, trust=(*SECRET_PATH, "--worker", worker)))
        catflap.configure({"network": {"engine": engine}})
        for number in range(2, controllers + 1):
            stack.enter_context(another_controller(catflap, f"controller-{number}"))
        print(f"engine {engine}, {controllers} controller(s), load of the machine before: {os.getloadavg()[0]:.1f}")
        yield catflap


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile `share` of the values."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency_summary(seconds: Sequence[float]) -> str:
    """Return median, p99 and maximum in milliseconds."""
    figures = (median(seconds), quantile(seconds, 0.99), max(seconds))
    return "median {:.0f} ms, p99 {:.0f} ms, max {:.0f} ms".format(*(one * 1000 for one in figures))


def exit_with_status(broken: Sequence[str]) -> None:
    """Print every broken promise, and exit with status 1 if there is one."""
    for promise in broken:
        print(f"BROKEN: {promise}")
    raise SystemExit(1 if broken else 0)
