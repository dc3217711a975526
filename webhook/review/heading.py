"""What every object has before its spec: apiVersion, kind and metadata, each of the type that Kubernetes reads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.review.metadata import MetadataFault
from webhook.syntax.values import Value, text

# By the field: what it is called in a message.
HEAD: Final = {"apiVersion": "an apiVersion", "kind": "a kind"}
NAMES: Final = {"name": "a name", "generateName": "a name", "namespace": "a namespace"}
NAMELESS: Final = (
    "it has neither metadata.name nor metadata.generateName, and Kubernetes creates nothing without a name"
)


class HeadFault(MetadataFault, frozen=True):
    """A field of the head with a value of another type; `field` is what it is called."""

    @property
    def place(self) -> str:
        """Return the field path."""
        return ".".join(map(str, self.path))

    def words(self, written: str | None = None) -> str:
        """Return what is wrong; `written` is how the file writes the value, where it writes it without quotes."""
        found = Value(self.value, written)
        if self.path == ("metadata",):
            return f"{found.described}; expected a mapping of keys and values (key: value)"
        return text(found)


def missing(document: Mapping[str, Any]) -> str:
    """Return which of apiVersion and kind an object lacks, in words; an empty text where it has both."""
    lacking = [field for field in HEAD if document.get(field) is None or document[field] == ""]
    if len(lacking) != 1:
        return f"{' and '.join(lacking)} are missing" if lacking else ""
    [field] = lacking
    how = "missing" if field not in document else "empty" if document[field] == "" else "null"
    return f"{field} is {how}; every object has apiVersion and kind, as in apiVersion: v1 and kind: Pod"


def wrong_head(document: Mapping[str, Any]) -> Iterator[HeadFault]:
    """Yield each field of the head whose value is of another type than Kubernetes reads."""
    for field, noun in HEAD.items():
        if not isinstance(document.get(field), str):
            yield HeadFault((field,), noun, document.get(field))
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield HeadFault(("metadata",), "metadata", metadata)
        return
    for field, noun in NAMES.items():
        value = (metadata or {}).get(field)
        if value is not None and not isinstance(value, str):
            yield HeadFault(("metadata", field), noun, value)
