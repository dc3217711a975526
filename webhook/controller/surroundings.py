"""What the controller knows of its cluster beyond the namespaces themselves."""

from datetime import datetime

from msgspec import Struct

from webhook.netpol.intent import Engine


class Surroundings(Struct, frozen=True):
    """Which engine is written for, which name servers `auto` means, and since when namespaces are closed."""

    engine: Engine
    detected_dns: str
    closed_since: datetime
