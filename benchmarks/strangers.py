"""Open thousands of connections of unknown clients while valid reviews and probes continue.

    python -m benchmarks.strangers [--idle 10000] [--slow 1000] [--half-open 1000] [--status 2000] [--seconds 30] [--worker asgi]

A real `catflap serve` on this machine, which it shares with the strangers: idle connections after their handshake, bodies of 8 MiB
that trickle, connections that never begin a handshake, and half requests to the status port.  Ends with status 1 where a good review
or a probe fails, where the 99th percentile of the reviews is above 250 ms, or where the server takes more memory than the chart
allows.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

import yaml

from benchmarks.harness import exit_with_status
from tests.programs import Program, serve
from tests.server.steady_load import worker
from tests.server.trusted_clients import TrustedClients
from tests.server.untrusted_clients import ConnectionCounts, untrusted_clients
from webhook.config.default import DEFAULT_POLICY
from webhook.server.limits import raise_descriptor_limit

LONGEST_P99_SECONDS: Final = 0.25
KUBELET_TIMEOUT_SECONDS: Final = 1.0  # the default timeoutSeconds of a probe; the chart allows 5
VALUES: Final = Path(__file__).parents[1] / "charts" / "catflap" / "values.yaml"
MIB: Final = 1 << 20


def main() -> None:
    """Do one run; print its figures and the broken promises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("idle", 10_000), ("slow", 1000), ("half-open", 1000), ("status", 2000)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--worker", default="asgi")
    options = parser.parse_args()
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory() as name:
        policy = Path(name) / "policy.yaml"
        policy.write_text(DEFAULT_POLICY, encoding="utf-8")
        with serve(Path(name), "--standalone", "--policy", str(policy), "--worker", options.worker) as server:
            numbers = ConnectionCounts(options.idle, options.slow, options.half_open, options.status)
            exit_with_status(attacked(server, numbers, options.seconds))


def attacked(server: Program, numbers: ConnectionCounts, seconds: float) -> list[str]:
    """Print the results of valid callers during an attack of this duration; return the broken promises."""
    callers, serving = TrustedClients(server), worker(server)
    before = peak(server.process.pid) + peak(serving)
    with callers.calling():
        time.sleep(2)
        with untrusted_clients(server.port, server.status_port, numbers) as attack:
            time.sleep(seconds)
            attack.terminate()
            assert attack.stdout is not None
            print("strangers alive at the end, of those opened:", *attack.stdout.read().splitlines()[-1:])
        time.sleep(1)
    if worker(server) != serving:
        return [f"the worker was started anew: {server.log()[-2000:]}"]
    memory, limit = peak(server.process.pid) + peak(serving), allowed_memory()
    for what, times in (("kept", callers.kept), ("new", callers.new), ("probes", callers.probes)):
        print(
            f"{what:<8} {len(times):>6} calls   p50 {at(times, 50):7.1f}   p99 {at(times, 99):7.1f}   max {1000 * max(times):7.1f} ms"
        )
    print(f"peak memory of both processes: {before // MIB} MiB before, {memory // MIB} MiB at last, of {limit // MIB}")
    broken = [f"{len(callers.failures)} failures, such as {callers.failures[:5]}"] if callers.failures else []
    if at(callers.kept, 99) > 1000 * LONGEST_P99_SECONDS:
        broken.append(f"p99 of good reviews is above {1000 * LONGEST_P99_SECONDS:.0f} ms")
    if max(callers.probes) > KUBELET_TIMEOUT_SECONDS:
        broken.append(f"a probe took longer than {KUBELET_TIMEOUT_SECONDS:.0f} s, the default timeout of the kubelet")
    if memory > limit:
        broken.append("it takes more memory than the chart allows")
    return broken


def at(times: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return 1000 * quantiles(times, n=100, method="inclusive")[percent - 1]


def peak(process: int) -> int:
    """Return the peak memory of a process in bytes."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def allowed_memory() -> int:
    """Return the chart's memory limit of the server in bytes."""
    limit = yaml.safe_load(VALUES.read_text(encoding="utf-8"))["server"]["resources"]["limits"]["memory"]
    return int(limit.removesuffix("Mi")) * MIB


if __name__ == "__main__":
    main()
