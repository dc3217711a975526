"""Domain names as peers, where an engine knows them."""

from collections.abc import Sequence

from webhook.model.ports import listed


def domains(found: Sequence[str]) -> str:
    """Return the domains in words; empty where one of them is every domain, or every one of a top-level domain."""
    if any(name.startswith("*") and name.strip("*.").count(".") == 0 for name in found):
        return ""
    return listed([name[:80] for name in found], "")
