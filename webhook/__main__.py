"""The entry point of the command `catflap`."""

import os
import signal
import sys
from typing import Final

from webhook.cli import main as command
from webhook.cli._streams import run

FIRST_PROCESS: Final = 1
ENDED_BY_SIGTERM: Final = 128 + signal.SIGTERM


def main() -> None:
    """Run the command and exit with its exit code.

    As the first process of a container, catflap handles SIGTERM from the very beginning. The kernel drops a signal for
    which the first process has no handler, and the kubelet would then wait for its whole grace period.
    """
    if os.getpid() == FIRST_PROCESS:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))
    sys.exit(run(command))


if __name__ == "__main__":
    main()
