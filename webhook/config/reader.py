"""Run the process that reads large policy files (webhook.config.apart).

    python -m webhook.config.reader

The process reads the length of a text and the text from standard input. It writes the policy or the faults. It ends
when the other process ends, or after a minute without a text.
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
# Run after the request threads, but not after every other process of the node: the weight is a tenth of the usual one
# (sched(7)).
NICENESS: Final = 10


def read(text: str) -> Loaded | tuple[PolicyFault, ...]:
    """Return the policy in a text, or its faults."""
    try:
        return parse(text)
    except BadPolicy as bad:
        return bad.faults


def serve(requests: IO[bytes], answers: IO[bytes], *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Read texts until the other side ends, or sends nothing for `idle_seconds`.

    The other side sends the next text after an answer, so the buffer of `requests` never holds a waiting text.
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
