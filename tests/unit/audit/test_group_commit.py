"""Test that waiting threads share one sync."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from webhook.audit.group_commit import GroupCommit


class Disk:
    """A disk whose syncs end one by one under a test's control, and fail on request."""

    def __init__(self) -> None:
        self.begun = Event()
        self.go = Event()
        self.count = 0
        self.fails = False

    def __call__(self) -> None:
        """Sync the disk."""
        self.count += 1
        fails = self.fails
        self.begun.set()
        assert self.go.wait(10)
        if fails:
            raise OSError(5, "the disk is gone")


@pytest.fixture
def disk() -> Disk:
    """Return a disk."""
    return Disk()


def test_lines_written_during_a_sync_share_the_next_sync(disk: Disk) -> None:
    """The current sync began before their lines were written."""
    commit = GroupCommit(disk)
    commit.written = 1
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(commit.wait_for_sync, 1)
        assert disk.begun.wait(10)
        commit.written = 9
        others = [pool.submit(commit.wait_for_sync, line) for line in range(2, 10)]
        assert not any(one.done() for one in (first, *others))
        disk.go.set()
        for one in (first, *others):
            one.result(10)
    assert disk.count == 2


def test_a_line_that_is_on_the_disk_waits_for_nothing(disk: Disk) -> None:
    """Another thread's sync brought the line to the disk."""
    disk.go.set()
    commit = GroupCommit(disk)
    commit.written = 3
    commit.wait_for_sync(3)
    commit.wait_for_sync(1)
    assert disk.count == 1


def test_failed_sync_is_reported_for_its_lines_forever(disk: Disk) -> None:
    """The kernel reports the failure once, and treats the lines as written after that."""
    disk.go.set()
    commit = GroupCommit(disk)
    commit.written, disk.fails = 2, True
    with pytest.raises(OSError, match="the disk is gone"):
        commit.wait_for_sync(1)
    commit.written, disk.fails = 3, False
    commit.wait_for_sync(3)
    with pytest.raises(OSError, match="the disk is gone"):
        commit.wait_for_sync(2)
    assert disk.count == 2
