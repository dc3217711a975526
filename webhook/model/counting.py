"""Counts with singular and plural nouns."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 record`, `2 records`, `1,234 entries`; `plural` is for nouns whose plural is not formed with s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
