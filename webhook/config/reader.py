"""The process that reads large policy files (webhook.config.apart).

    python -m webhook.config.reader

It reads a text, behind its length, from standard input, and writes the policy, or what is wrong with it. It ends where the other process
does, or where no text has come for a minute.
"""

import os
import pickle
import select
import sys
from typing import IO, Final

from webhook.config.apart import LENGTH
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse

IDLE_SECONDS: Final = 60.0
# Behind the threads that answer, but not behind everything else on the node: with a tenth of the weight of a usual process (sched(7)).
NICENESS: Final = 10


def read(text: str) -> Loaded | tuple[PolicyFault, ...]:
    """The policy that a text says, or what is wrong with it."""
    try:
        return parse(text)
    except BadPolicy as bad:
        return bad.faults


def serve(requests: IO[bytes], answers: IO[bytes], *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Read texts until the other side ends, or is silent for so long.

    The other side sends the next text after an answer, so what waits is never in the buffer of `requests`.
    """
    while select.select([requests], [], [], idle_seconds)[0]:
        head = requests.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        text = requests.read(*LENGTH.unpack(head)).decode("utf-8", "surrogatepass")
        answer = pickle.dumps(read(text), protocol=pickle.HIGHEST_PROTOCOL)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
