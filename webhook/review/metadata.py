"""Find labels and annotations that the API server refuses: values that are not text, and text that is no label."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from webhook.model.abbreviation import shortened
from webhook.model.kinds import PodMaker
from webhook.model.labels import LABEL_NAME, LABEL_PREFIX
from webhook.model.rule import Remedy
from webhook.review.custom_resources import value_at
from webhook.syntax.template_detection import label_value_hint
from webhook.syntax.values import FileValue, Step, field_path, to_json

LONGEST_VALUE: Final = 63  # characters (apimachinery, pkg/util/validation, LabelValueMaxLength)
ALLOWED_VALUE: Final = f"a label has at most {LONGEST_VALUE} characters: letters, digits, '-', '_' and '.', with a letter or a digit at both ends"
KEY_ALLOWED: Final = (
    "a key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional prefix of a DNS name and a slash"
)
SELECTOR: Final = "matchLabels"
# A variable such as {{workflow.name}} or {{=expression}}, which Argo replaces when it creates the Pods (argoproj/argo-workflows,
# workflow/controller/workflowpod.go, substitutePodParams). Variables of Helm begin with a dot or a dollar sign.
ARGO_VARIABLE: Final = re.compile(r"\{\{\s*[=a-z]")
# The values of a spec that are searched for selectors; a spec that people write has hundreds.
MOST_VALUES: Final = 20_000


class MetadataError(Struct, frozen=True):
    """One fault of a label or an annotation: where it is, what it is, and what is expected."""

    path: tuple[Step, ...]
    field: str
    value: Any

    @property
    def place(self) -> str:
        """Return the field path as kubectl prints it."""
        return field_path(self.path)

    @property
    def is_template(self) -> bool:
        """Return whether the value is an unrendered template."""
        return isinstance(self.value, str) and bool(label_value_hint(self.value))

    def remedy(self, written: str | None = None) -> Remedy | None:
        """Return the label to set; None if a new value is not the remedy.

        That is the case for annotations, for keys and for unrendered templates.
        """
        if self.field != "labels" or self.is_template:
            return None
        *place, _, key = self.path
        text = written or to_json(self.value) if isinstance(self.value, bool | int | float) else ""
        return Remedy(".".join(map(str, place)), str(key), value=text if LABEL_NAME.fullmatch(text) else None)

    def words(self, written: str | None = None) -> str:
        """Return the fault in words; `written` is the value in the file if it has no quotes there."""
        noun = "an annotation" if self.field == "annotations" else "a label"
        value = FileValue(self.value, written)
        if isinstance(self.value, dict | list):
            return f"{value.described}, and {noun} must be text"
        if not isinstance(self.value, str):
            return f"{value.described}, and {noun} must be text; {value.in_quotes}"
        if advice := label_value_hint(self.value):
            return f"{shortened(self.value)!r} is not a valid label value: {advice}"
        if len(self.value) > LONGEST_VALUE:
            return f"{shortened(self.value)!r} has {len(self.value)} characters; {ALLOWED_VALUE}"
        return f"{self.value!r} is not a valid label value; {ALLOWED_VALUE}"


class LabelKeyError(MetadataError, frozen=True):
    """A label key that no API server takes."""

    def remedy(self, written: str | None = None) -> Remedy | None:  # noqa: ARG002 (the key is at fault)
        """Return None, because no value corrects a key."""
        return None

    def words(self, written: str | None = None) -> str:  # noqa: ARG002 (the key is at fault)
        """Return the fault in words."""
        return f"{shortened(str(self.path[-1]))!r} is not a valid label key; {KEY_ALLOWED}"


def wrong_types(document: Mapping[str, Any], maker: PodMaker | None) -> Iterator[MetadataError]:
    """Yield each label and annotation that is not text, where the API server decodes an object by its types.

    Templates inside custom resources are excluded, because a controller reads them.
    """
    yield from wrong_types_at(document, "metadata")
    if maker is not None and maker.template and not maker.custom:
        yield from wrong_types_at(document, maker.metadata_path)
        yield from wrong_selectors(document)


def wrong_selectors(document: Mapping[str, Any]) -> Iterator[MetadataError]:
    """Yield each label below a `matchLabels` that is not text, in kinds that the API server decodes by their types."""
    queue: deque[tuple[tuple[Step, ...], Any]] = deque([(("spec",), document.get("spec"))])
    for _ in range(MOST_VALUES):
        if not queue:
            return
        path, value = queue.popleft()
        if isinstance(value, list):
            queue.extend(((*path, number), one) for number, one in enumerate(value))
        elif isinstance(value, dict):
            queue.extend(((*path, key), one) for key, one in value.items() if isinstance(one, dict | list))
            if path[-1] == SELECTOR:
                yield from (
                    MetadataError((*path, key), SELECTOR, one)
                    for key, one in value.items()
                    if one is not None and not isinstance(one, str)
                )


def wrong_types_at(document: Mapping[str, Any], path: str) -> Iterator[MetadataError]:
    """Yield each label and annotation below one metadata that is not text."""
    for field in ("labels", "annotations"):
        found = value_at(document, f"{path}.{field}")
        for key, value in found.items() if isinstance(found, dict) else ():
            if value is not None and not isinstance(value, str):
                yield MetadataError((*path.split("."), field, key), field, value)


def rejected_labels(document: Mapping[str, Any], maker: PodMaker | None) -> Iterator[MetadataError]:
    """Yield each label that is text and that the API server refuses, or that no Pod can have."""
    yield from rejected_labels_at(document, "metadata")
    if maker is None or not maker.template:
        return
    for path in map(maker.metadata_at, maker.templates):
        if maker.custom:
            yield from (one for one in wrong_types_at(document, path) if one.field == "labels")
        yield from rejected_labels_at(document, path, with_variables=bool(maker.pod_metadata))


def rejected_labels_at(
    document: Mapping[str, Any], path: str, *, with_variables: bool = False
) -> Iterator[MetadataError]:
    """Yield each label below one metadata that does not follow the grammar of labels; `with_variables`: values may contain variables of Argo."""
    labels = value_at(document, f"{path}.labels")
    for key, value in labels.items() if isinstance(labels, dict) else ():
        metadata_path = (*path.split("."), "labels", key)
        if not is_label_key(key):
            yield LabelKeyError(metadata_path, "labels", value)
        elif not isinstance(value, str) or (with_variables and ARGO_VARIABLE.search(value)):
            continue
        elif value and not LABEL_NAME.fullmatch(value):
            yield MetadataError(metadata_path, "labels", value)


def is_label_key(key: str) -> bool:
    """Return whether a text is a label key: a name, with or without a prefix."""
    prefix, slash, name = key.rpartition("/")
    return LABEL_NAME.fullmatch(name) is not None and (not slash or LABEL_PREFIX.fullmatch(prefix) is not None)
