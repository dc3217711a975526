"""The options of `serve` and `controller` for their audit log."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final

import click

from webhook.audit.log_config import Durability, LogConfig, LogFailurePolicy, Rotation
from webhook.audit.sink import Sink
from webhook.cli._choices import NumberType, WordChoice
from webhook.cli._options import exit_with_errors
from webhook.files import unwritable

SIZES: Final = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
AGES: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class MeasureType(click.ParamType[int]):
    """A number with a unit, converted to the smallest unit."""

    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number in the smallest unit."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9]\d{0,11})([A-Za-z]*)", str(value), re.ASCII)
        if not found or found[2] not in self._units:
            units = ", ".join(filter(None, self._units))
            self.fail(f"{value!r}: write a number above 0 and one of {units}, such as {self._example}", param, ctx)
        return int(found[1]) * self._units[found[2]]


# The default response to a failure for each durability.
DEFAULT_FAILURE_POLICY: Final = {
    Durability.WRITTEN: LogFailurePolicy.REFUSE,
    Durability.SYNCED: LogFailurePolicy.REFUSE,
    Durability.BEST_EFFORT: LogFailurePolicy.ADMIT,
}

OPTIONS: Final = (
    click.option(
        "--audit-stdout", is_flag=True, help="With --audit-log: also copy the records to standard output for a "
                                             "collector."
    ),
    click.option(
        "--audit-durability", type=WordChoice([*map(str, Durability)]), default="written", show_default=True,
        help="When the server sends an answer: after its record is written to the operating system (written), "
             "after it is synced to the disk (synced), or without waiting (best-effort).",
    ),
    click.option(
        "--audit-failure", type=WordChoice([*map(str, LogFailurePolicy)]),
        help="What happens to requests whose record cannot be written.  [default: refuse; best-effort admits]",
    ),
    click.option(
        "--audit-rotate-size", type=MeasureType("SIZE", SIZES, "100Mi"), help="Rotate the file before it becomes larger."
    ),
    click.option(
        "--audit-rotate-age", type=MeasureType("AGE", AGES, "1d"), help="Rotate the file when its first record has "
                                                                    "this age."
    ),
    click.option(
        "--audit-rotate-keep", type=NumberType("N", 1, "7", whole=True),
        help="Keep this number of rotated files.  [default: all]",
    ),
)  # fmt: skip


def audit_log_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, which the verb receives as one value `log_config`."""

    @wraps(function)
    def verb(
        *,
        audit_log: str | None,
        audit_stdout: bool,
        audit_durability: str,
        audit_failure: str | None,
        audit_rotate_size: int | None,
        audit_rotate_age: int | None,
        audit_rotate_keep: int | None,
        **others: Any,
    ) -> Any:
        age = None if audit_rotate_age is None else timedelta(seconds=audit_rotate_age)
        log_config = LogConfig(
            durability=Durability(audit_durability),
            failure=LogFailurePolicy(audit_failure)
            if audit_failure
            else DEFAULT_FAILURE_POLICY[Durability(audit_durability)],
            copy=audit_stdout and audit_log is not None,
            rotation=Rotation(size=audit_rotate_size, age=age, keep=audit_rotate_keep),
        )
        if faults := [*find_contradictions(audit_log, log_config), *check_writable(audit_log)]:
            exit_with_errors(faults)
        return function(audit_log=audit_log, log_config=log_config, **others)

    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def check_writable(file: str | None) -> list[str]:
    """Return why a file cannot be opened for appending; otherwise a server would restart a worker again and again."""
    try:
        if file is not None:
            Sink(file).close()
    except OSError as bad:
        return [f"--audit-log {unwritable(file, bad)}"] if file else []
    return []


def find_contradictions(file: str | None, log_config: LogConfig) -> list[str]:
    """Return the contradictions between the options."""
    faults = []
    if log_config.durability is Durability.SYNCED and file is None:
        faults.append(
            "--audit-durability synced needs a file, because standard output cannot be synced; add --audit-log FILE"
        )
    if log_config.durability is Durability.BEST_EFFORT and log_config.failure is LogFailurePolicy.REFUSE:
        faults.append(
            "--audit-durability best-effort does not wait for the write, so it cannot reject requests after a failure"
        )
    rotation = log_config.rotation
    if file is None and rotation != Rotation():
        faults.append("--audit-rotate-… needs a file; add --audit-log FILE")
    elif rotation.keep is not None and rotation.size is None and rotation.age is None:
        faults.append(
            "--audit-rotate-keep needs --audit-rotate-size or --audit-rotate-age, because no file is "
            "rotated without them"
        )
    return faults
