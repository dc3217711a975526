"""How a process keeps its records: durability, the response to a failure, and observers."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct


class Durability(StrEnum):
    """The state that a record must reach before its answer leaves."""

    WRITTEN = "written"  # the operating system has it: it survives the end of the process
    SYNCED = "synced"  # the disk has it: it survives a power failure
    BEST_EFFORT = "best-effort"  # it waits in a queue


class LogFailurePolicy(StrEnum):
    """The response to a request whose record cannot be written."""

    REFUSE = "refuse"
    ADMIT = "admit"  # the failure is counted, and the next record that can be written reports it


class Rotation(Struct, frozen=True):
    """When a file is put aside for a new one, and how many such files are kept; None means never, or all."""

    size: int | None = None
    age: timedelta | None = None
    keep: int | None = None


class LogConfig(Struct, frozen=True):
    """How one process keeps its records; `copy` also writes them to standard output."""

    durability: Durability = Durability.WRITTEN
    failure: LogFailurePolicy = LogFailurePolicy.REFUSE
    copy: bool = False
    rotation: Rotation = Rotation()


def ignore(*_: object) -> None:
    """Ignore the event."""


class LogObserver(Struct, frozen=True):
    """Callbacks that count what happens to records."""

    failed: Callable[[], object] = ignore  # a record could not be written, or not be brought to the disk
    lost: Callable[[], object] = ignore  # the record is lost, and its request was admitted
    stdout_dropped: Callable[[], object] = ignore  # a line is in the file and not on standard output
    queued: Callable[[int], object] = ignore  # the bytes that wait for the file
    synced: Callable[[float], object] = ignore  # the seconds of one fdatasync


NO_OBSERVER = LogObserver()
