"""Send SIGTERM under load, repeatedly, while idle connections of an API server are open.

    python -m benchmarks.stopping [--times 20] [--worker asgi]

Each time a real `catflap serve` on this machine: 200 good reviews a second over kept connections, 50 idle ones that had a review,
50 strangers.  Ends with status 1 where an answer is wrong, a request over a kept connection gets none, the chain has no stop record,
or the process takes 2 s or longer.
"""

import argparse
import signal
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from benchmarks.harness import exit_with_status
from tests.audit_logs import verify_logs
from tests.programs import serve
from tests.server.steady_load import SteadyLoad
from tests.server.trusted_clients import ask
from webhook.config.default import DEFAULT_POLICY

LONGEST_SECONDS: Final = 2.0
IDLE: Final = 50


def main() -> None:
    """Run all, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--worker", default="asgi")
    options = parser.parse_args()
    broken: list[str] = []
    print(f"{'run':>3} {'seconds':>8} {'answers':>8} {'wrong':>6} {'lost':>5}  chain")
    for number in range(1, options.times + 1):
        with tempfile.TemporaryDirectory() as folder:
            broken += [f"run {number}: {what}" for what in stopped(Path(folder), options.worker, number)]
    exit_with_status(broken)


def stopped(folder: Path, worker: str, number: int) -> list[str]:
    """Do one run; return the broken promises."""
    policy = folder / "policy.yaml"
    policy.write_text(DEFAULT_POLICY, encoding="utf-8")
    with serve(folder, "--standalone", "--policy", str(policy), "--worker", worker) as server, ExitStack() as stack:
        for _ in range(IDLE):
            ask(stack.enter_context(closing(server.connect())))
            stack.enter_context(closing(server.connect())).connect()
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(100)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            status = server.process.wait(30)
            seconds = time.monotonic() - began
        findings = verify_logs(server.audit_log, closed=True).findings
    wrong, chain = len(load.refused()), "open" if findings else "closed"
    print(f"{number:>3} {seconds:>8.3f} {len(load.answers):>8} {wrong:>6} {len(load.lost):>5}  {chain}", flush=True)
    broken = [
        f"{what} of them" for what, count in (("wrong answers", wrong), ("lost requests", len(load.lost))) if count
    ]
    broken += [str(finding) for finding in findings]
    if "Traceback" in (log := server.log()):
        broken.append(log[log.index("Traceback") :])
    if status or seconds >= LONGEST_SECONDS:
        broken.append(f"it ended with status {status} after {seconds:.3f} s")
    return broken


if __name__ == "__main__":
    main()
