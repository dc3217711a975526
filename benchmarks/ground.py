"""Where a benchmark runs: a control plane of its own, with the chart's configurations and rights, and how its figures are told."""

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


def arguments(description: str | None) -> ArgumentParser:
    """What every benchmark can be told."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=GROUPS, default="kubernetes")
    return parser


@contextmanager
def ground(engine: str, *, controllers: int = 1, worker: str = "asgi") -> Iterator[Installation]:
    """An installation on a control plane of its own; a second controller is one more beside the usual one."""
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
    """The value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def spread(seconds: Sequence[float]) -> str:
    """Median, p99 and maximum, in milliseconds."""
    told = (median(seconds), quantile(seconds, 0.99), max(seconds))
    return "median {:.0f} ms, p99 {:.0f} ms, max {:.0f} ms".format(*(one * 1000 for one in told))


def verdict(broken: Sequence[str]) -> None:
    """End with status 1 and every promise that was broken."""
    for promise in broken:
        print(f"BROKEN: {promise}")
    raise SystemExit(1 if broken else 0)
