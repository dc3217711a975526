"""Measure the time and memory to verify, search, export and report on an audit log.

    python -m benchmarks.audit_commands [RECORDS...]

For logs of so many records (100,000 and 1,000,000 if none is said), each with checkpoints, written by the log itself: records per
second of elapsed time and of processor time, and the most memory at any time. Each verb runs in a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from tests.long_logs import decision_records
from webhook.audit.log import AuditLog

RECORDS: Final = (100_000, 1_000_000)
VERBS: Final = (
    ("audit", "verify"),
    ("audit", "query", "--rule", "known-role"),
    ("audit", "query", "-o", "json"),
    ("audit", "export", "--format", "csv"),
    ("audit", "export", "--format", "ocsf"),
    ("report", "-o", "-"),
)
MIB: Final = 1 << 20


def main() -> None:
    """Measure each length."""
    for count in [int(word) for word in sys.argv[1:]] or RECORDS:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "audit.log"
            begun = perf_counter()
            write(path, count)
            seconds = perf_counter() - begun
            print(
                f"{count:,} records, {path.stat().st_size / MIB:,.0f} MiB, written in {seconds:.0f} s ({count / seconds:,.0f}/s)"
            )
            for verb in VERBS:
                print(f"  {' '.join(verb):34} {measured([*verb, str(path)], count)}", flush=True)


def write(path: Path, count: int) -> None:
    """Write a log as a process does."""
    log = AuditLog(str(path), process="serve")
    for record in decision_records(count):
        log.append(record)
    log.stop()


def measured(arguments: list[str], count: int) -> str:
    """Return the time and memory of one run."""
    begun = perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "webhook", *arguments], stdout=subprocess.DEVNULL)  # noqa: S603 (our own verb)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} ended with {status}")
    seconds, busy = perf_counter() - begun, used.ru_utime + used.ru_stime
    return f"{count / seconds:>9,.0f}/s  {count / busy:>9,.0f}/s of processor  {used.ru_maxrss / 1024:>5,.0f} MiB"


if __name__ == "__main__":
    main()
