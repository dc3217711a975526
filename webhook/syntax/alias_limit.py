"""The limit on the values of a YAML document that come from aliases, as kubectl's parser has it (go-yaml, decode.go)."""

from typing import Final

MIN_ALIASED: Final = 100
MIN_VALUES: Final = 1_000
SMALL_DOCUMENT: Final = 400_000
LARGE_DOCUMENT: Final = 4_000_000
SMALL_DOCUMENT_RATIO: Final = 0.99
LARGE_DOCUMENT_RATIO: Final = 0.10


def exceeds_alias_limit(aliased: int, count: int) -> bool:
    """Return whether `aliased` of the `count` values of a document are too many."""
    return aliased > MIN_ALIASED and count > MIN_VALUES and aliased > count * allowed_alias_ratio(count)


def allowed_alias_ratio(count: int) -> float:
    """Return the share of a document that may come from aliases (decode.go, allowedAliasRatio)."""
    if count <= SMALL_DOCUMENT:
        return SMALL_DOCUMENT_RATIO
    if count >= LARGE_DOCUMENT:
        return LARGE_DOCUMENT_RATIO
    return SMALL_DOCUMENT_RATIO - (SMALL_DOCUMENT_RATIO - LARGE_DOCUMENT_RATIO) * (
        (count - SMALL_DOCUMENT) / (LARGE_DOCUMENT - SMALL_DOCUMENT)
    )
