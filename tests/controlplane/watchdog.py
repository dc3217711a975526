"""End the servers when the process that started them is gone, however it went.

A process killed with SIGKILL runs no `finally`, so the cleaning up must be somebody else's.  This program is that somebody: it
leads the process group that the servers join, and waits for its parent to close the pipe or to disappear.  The ordinary end takes
the same road (`Keeper.close` closes the pipe), so that the road is walked in every test run and not only on bad days.

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

PARENT_POLL_SECONDS = 1.0  # the pipe tells at once; this is for a forked sibling that still holds its other end
REMOVE_TRIES = 100
REMOVE_PAUSE_SECONDS = 0.05  # with the tries above: five seconds for killed processes to let go of their files


def main() -> None:
    """Wait for the parent's end, then kill the group, this process included, and remove the folder."""
    parent, folder = int(sys.argv[1]), sys.argv[2]
    while os.getppid() == parent and not select.select([sys.stdin], [], [], PARENT_POLL_SECONDS)[0]:
        pass
    group = os.getpgrp()
    if os.fork():
        signal.pause()  # stay, so that the group's number cannot be given to somebody else before the kill
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
