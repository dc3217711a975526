"""Measure the cost of each durability level and of each destination of the records.

    python -m benchmarks.audit_durability [--folder DIR] [--requests 2000] [--callers 8]

First one caller's time for one record, and how many a second several callers write together; then the same of answers of a whole
server on this machine, which shares its processors with the callers. Every way has its turn in each of several rounds, so that what
else the machine does falls on all; the best round counts, and ratios are to the default, `written`. `--folder` is on the disk that
is to be measured. A memory disk syncs in no time.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Final

from tests.programs import JSON, serve
from tests.reviews import GOOD, encoded, pod
from webhook.audit.log import AuditLog
from webhook.audit.log_config import Durability, LogConfig
from webhook.audit.record import decision_record, utc_now
from webhook.config.default import DEFAULT_POLICY
from webhook.model.decision import Decision, Phase
from webhook.model.reason import Reason, ReasonCode
from webhook.review.decode import decode

ROUNDS: Final = 3
WAYS: Final[Mapping[str, tuple[str | None, LogConfig]]] = {
    "written, file": ("audit.log", LogConfig()),
    "written, standard output": (None, LogConfig()),
    "written, both": ("audit.log", LogConfig(copy=True)),
    "synced, file": ("audit.log", LogConfig(durability=Durability.SYNCED)),
    "best-effort, file": ("audit.log", LogConfig(durability=Durability.BEST_EFFORT)),
}
RECORD: Final = decision_record(
    Phase.VALIDATE, decode(encoded(pod(GOOD)), {}), Decision(Reason(ReasonCode.NO_VIOLATION)), policy_digest="597718279e1a869b",
    at=utc_now(), microseconds=100,
)  # fmt: skip

Figures = tuple[float, float, float]  # the median and the 99th percentile in microseconds, how many a second


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--callers", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made, drained():
        folder = Path(made)
        show("record", best(lambda way: records(folder, way, options.requests, options.callers)))
        show("answer", best(lambda way: answers(folder, way, options.requests, options.callers)))


def best(measure: Callable[[str], Figures]) -> dict[str, Figures]:
    """Return the best figures of each variant over all rounds."""
    rounds = [{way: measure(way) for way in WAYS} for _ in range(ROUNDS)]
    return {
        way: (
            min(one[way][0] for one in rounds),
            min(one[way][1] for one in rounds),
            max(one[way][2] for one in rounds),
        )
        for way in WAYS
    }


def show(what: str, found: Mapping[str, Figures]) -> None:
    """Print a table with ratios to the first variant."""
    usual = found[next(iter(found))]
    print_here(f"| {what} | median µs | added µs | p99 µs | a second | ratio |\n|---|---:|---:|---:|---:|---:|")
    for way, (middle, late, rate) in found.items():
        print_here(
            f"| {way} | {middle:.0f} | {middle - usual[0]:+.0f} | {late:.0f} | {rate:.0f} | {rate / usual[2]:.2f} |"
        )


def print_here(text: str) -> None:
    """Print to the terminal while standard output receives records."""
    os.write(2, f"{text}\n".encode())


@contextmanager
def drained() -> Iterator[None]:
    """Read and discard standard output, as a fast log collector does."""
    saved, (reader, writer) = os.dup(1), os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: [None for _ in iter(lambda: os.read(reader, 1 << 16), b"")])
        try:
            yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)
            reading.result()
            os.close(reader)


def records(folder: Path, way: str, count: int, callers: int) -> Figures:
    """Measure records alone: the time of one caller, and the rate of several callers."""
    file, log_config = WAYS[way]
    log = AuditLog(str(folder / file) if file else None, process="serve", config=log_config)

    def write(count: int) -> list[float]:
        return [timed(lambda: log.append(RECORD)) for _ in range(count)]

    try:
        return (*spread(write(count)), together(callers, lambda: write(count // callers)))
    finally:
        log.stop()


def answers(folder: Path, way: str, count: int, callers: int) -> Figures:
    """Measure a server's answers to several concurrent callers, each on its own connection."""
    file, log_config = WAYS[way]
    policy = folder / "policy.yaml"
    policy.write_text(DEFAULT_POLICY, encoding="utf-8")
    options = ["--standalone", "--policy", str(policy), "--audit-durability", log_config.durability]
    options += ["--audit-stdout"] * log_config.copy
    if file is None:
        options += ["--audit-log", "/dev/stdout"]  # a second open returns the same pipe
    with serve(folder / "server", *options) as server:

        def ask(count: int) -> list[float]:
            with closing(server.connect()) as connection:
                return [timed(lambda: post(connection)) for _ in range(count)]

        return (*spread(ask(count // 2)[1:]), together(callers, lambda: ask(count // callers)))


def post(connection: HTTPSConnection) -> None:
    """Request one answer."""
    connection.request("POST", "/validate", BODY, JSON)
    connection.getresponse().read()


def together(callers: int, call: Callable[[], list[float]]) -> float:
    """Return the rate per second of several callers."""
    begin = perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        done = [pool.submit(call) for _ in range(callers)]
        return sum(len(one.result()) for one in done) / (perf_counter() - begin)


BODY: Final = encoded(pod(GOOD))


def timed(call: Callable[[], object]) -> float:
    """Return the microseconds of one call."""
    begin = perf_counter()
    call()
    return 1e6 * (perf_counter() - begin)


def spread(taken: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    return median(taken), quantiles(taken, n=100, method="inclusive")[-1]


if __name__ == "__main__":
    main()
