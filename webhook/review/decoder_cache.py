"""Make each JSON decoder once."""

from functools import cache
from threading import Lock
from typing import Any

import msgspec

# msgspec 0.20 ends the process by a segmentation fault if two threads make the first decoders of shapes with a common
# part.
MAKING = Lock()


@cache
def decoder(shape: type) -> "msgspec.json.Decoder[Any]":
    """Return the decoder of a shape; make it once, and never while another one is made."""
    with MAKING:
        return msgspec.json.Decoder(shape)
