"""End the servers when the process that started them is gone, for any reason.

A process killed with SIGKILL runs no `finally`, so another process must clean up. This program does: it
leads the process group that the servers join, and waits for its parent to close the pipe or to exit. A normal end works
in the same way (`ProcessSupervisor.close` closes the pipe), so every test run tests this path.

    python watchdog.py <pid of the parent> <folder to remove>

PR_SET_PDEATHSIG would be shorter, but fires when the *thread* that forked ends, and exists on Linux only.
"""

import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress

PARENT_POLL_SECONDS = 1.0  # the pipe reports at once; polling is for a forked sibling that still has its other end
REMOVE_TRIES = 100
REMOVE_PAUSE_SECONDS = 0.05  # with the tries above: five seconds for killed processes to let go of their files


def main() -> None:
    """Wait for the parent's end, then kill the group, this process included, and remove the folder."""
    parent, folder = int(sys.argv[1]), sys.argv[2]
    while os.getppid() == parent and not select.select([sys.stdin], [], [], PARENT_POLL_SECONDS)[0]:
        pass
    group = os.getpgrp()
    if os.fork():
        signal.pause()  # stay, so that no other process can get the id of the group before the kill
    os.setsid()  # out of the group that is about to die
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    remove(folder)


def remove(folder: str) -> None:
    """Remove the folder; a dying server may still add a file while it is being emptied."""
    for _ in range(REMOVE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(REMOVE_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
