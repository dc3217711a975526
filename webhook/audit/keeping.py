"""How records are kept: how surely, what happens where that fails, and who is told."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct


class Durability(StrEnum):
    """What must have happened to a record before its answer leaves."""

    WRITTEN = "written"  # the operating system has it: it outlives the process
    SYNCED = "synced"  # the disk has it: it outlives the machine's power
    BEST_EFFORT = "best-effort"  # it waits for its turn


class Failure(StrEnum):
    """What becomes of a request whose record cannot be written."""

    REFUSE = "refuse"
    ADMIT = "admit"  # counted, and owned up to by the next record that can be


class Rotation(Struct, frozen=True):
    """When a file is put aside for a new one, and how many of those put aside are kept; None: not for this, or all."""

    size: int | None = None
    age: timedelta | None = None
    keep: int | None = None


class Keeping(Struct, frozen=True):
    """How one process keeps its records; `copy` has them on standard output as well as in the file."""

    durability: Durability = Durability.WRITTEN
    failure: Failure = Failure.REFUSE
    copy: bool = False
    rotation: Rotation = Rotation()


def unheard(*_: object) -> None:
    """Tell nobody."""


class Observer(Struct, frozen=True):
    """Who counts what happens to records."""

    failed: Callable[[], object] = unheard  # a record could not be written, or not be brought to the disk
    lost: Callable[[], object] = unheard  # and its request was not refused for it
    uncopied: Callable[[], object] = unheard  # a line is in the file and not on standard output
    queued: Callable[[int], object] = unheard  # bytes that wait for the file
    synced: Callable[[float], object] = unheard  # seconds of one fdatasync


UNOBSERVED = Observer()
