"""Decoders of JSON, each made once."""

from functools import cache
from threading import Lock
from typing import Any

import msgspec

# msgspec 0.20 ends the process by a segmentation fault where two threads make the first decoders of shapes with a part in common.
MAKING = Lock()


@cache
def decoder(shape: type) -> "msgspec.json.Decoder[Any]":
    """The decoder of a shape, made once, and while no other one is made."""
    with MAKING:
        return msgspec.json.Decoder(shape)
