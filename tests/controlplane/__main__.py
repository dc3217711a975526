"""Run the tests' control plane for a person: `python -m tests.controlplane`, then paste the line it prints into another shell."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from tests.controlplane.cluster import running
from tests.controlplane.progress import Progress
from tests.controlplane.tools import Tools, Unavailable, ensure

LOOK_SECONDS: Final = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a cluster and stay until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane", description=__doc__)
    parser.add_argument("--build-only", action="store_true", help="only make sure that the programs are there")
    parser.add_argument("--calico", action="store_true", help="serve Calico's API, projectcalico.org/v3, too")
    chosen = parser.parse_args(arguments)
    try:
        tools = ensure(Progress(sys.stderr))
        if not chosen.build_only:
            _serve(tools, calico=chosen.calico)
    except Unavailable as missing:
        print(f"not available: {missing}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nended", file=sys.stderr)
    return 0


def _serve(tools: Tools, *, calico: bool) -> NoReturn:
    with running(tools) as cluster:
        if calico:
            cluster.install_calico()
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        print(f"kubectl: {tools.kubectl}\nhelm: {tools.helm}\nCtrl-C ends the cluster and deletes it.", file=sys.stderr)
        while True:
            cluster.check()
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
