"""Check what every object has before its spec: apiVersion, kind and metadata of the types that Kubernetes reads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from webhook.review.metadata import MetadataError
from webhook.syntax.template_detection import CHECK_COMMAND
from webhook.syntax.values import FileValue, describe_type, expected_text

# The noun for each field in a message.
REQUIRED_FIELDS: Final = {"apiVersion": "an apiVersion", "kind": "a kind"}
NAMES: Final = {"name": "a name", "generateName": "a name", "namespace": "a namespace"}
NAMELESS_KINDS: Final = "metadata.name and metadata.generateName are missing; Kubernetes needs one of them"


class OtherFileFormat(NamedTuple):
    """Another program's file: keys that it always has, keys of which it has one, and a description with advice."""

    every: frozenset[str]
    some: frozenset[str]
    says: str

    def fits(self, document: Mapping[str, Any]) -> bool:
        """Return whether a document has these keys."""
        return self.every <= document.keys() and not self.some.isdisjoint(document)


OTHER_FILE_FORMATS: Final = (
    OtherFileFormat(
        frozenset({"apiVersion", "name", "version"}),
        frozenset({"name"}),
        f"Chart.yaml of a Helm chart; render the chart: helm template NAME CHART | {CHECK_COMMAND}",
    ),
    OtherFileFormat(
        frozenset({"services"}),
        frozenset({"version", "volumes", "networks", "secrets", "name", "services"}),
        "a file of Docker Compose, which Kubernetes cannot read",
    ),
    OtherFileFormat(
        frozenset(),
        frozenset(
            {"resources", "bases", "components", "patches", "patchesStrategicMerge", "configMapGenerator", "namePrefix"}
        ),
        f"a kustomization; build it: kubectl kustomize FOLDER | {CHECK_COMMAND}",
    ),
    OtherFileFormat(
        frozenset(),
        frozenset({"replicaCount", "fullnameOverride", "nameOverride", "imagePullSecrets"}),
        f"values of a Helm chart; render the chart with them: helm template NAME CHART -f FILE | {CHECK_COMMAND}",
    ),
)
# Notes on kinds that no API server creates or that produce other objects.
KIND_NOTES: Final = {
    (
        "kustomize.config.k8s.io",
        "Kustomization",
    ): f"it is the source of other objects; check these objects: kubectl kustomize FOLDER | {CHECK_COMMAND}",
    (
        "catflap.dev",
        "GuardPolicy",
    ): "this is a policy file of catflap; check it with catflap config check FILE",
    ("", "Config"): "this is a kubeconfig instead of an object of a cluster",
    ("", "Status"): "this is a response of the API server instead of an object",
}


class TypeMetaError(MetadataError, frozen=True):
    """A field of the head with a value of another type; `field` is what it is called."""

    @property
    def place(self) -> str:
        """Return the field path."""
        return ".".join(map(str, self.path))

    def words(self, written: str | None = None) -> str:
        """Return the fault in words; `written` is the value in the file if it has no quotes there."""
        found = FileValue(self.value, written)
        if self.path == ("metadata",):
            return f"{found.described}; expected a mapping of keys and values (key: value)"
        return expected_text(found)


def missing_type_meta(document: Mapping[str, Any]) -> str:
    """Return which of apiVersion and kind an object lacks, in words; empty if it has both."""
    missing = [field for field in REQUIRED_FIELDS if document.get(field) is None or document[field] == ""]
    if missing and (other := next((one for one in OTHER_FILE_FORMATS if one.fits(document)), None)):
        return f"{' and '.join(missing)} {'are' if missing[1:] else 'is'} missing; this looks like {other.says}"
    if len(missing) != 1:
        return f"{' and '.join(missing)} are missing" if missing else ""
    [field] = missing
    how = "missing" if field not in document else "empty" if document[field] == "" else "null"
    return f"{field} is {how}; every object needs apiVersion and kind, such as apiVersion: v1 and kind: Pod"


def not_a_mapping(document: Any) -> str:
    """Return the sentence for a document that is not a mapping."""
    advice = ""
    if isinstance(document, list):
        advice = "; write each item as a document after ---, or all items below items: of an object with kind: List"
    elif isinstance(document, str) and document.startswith("NAME "):
        advice = "; this is a table of kubectl get; add -o yaml to print manifests"
    return f"expected an object with apiVersion and kind, got {describe_type(document)}{advice}"


def wrong_type_meta(document: Mapping[str, Any]) -> Iterator[TypeMetaError]:
    """Yield each field of the head whose value has a type that Kubernetes does not read."""
    for field, noun in REQUIRED_FIELDS.items():
        if not isinstance(document.get(field), str):
            yield TypeMetaError((field,), noun, document.get(field))
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield TypeMetaError(("metadata",), "metadata", metadata)
        return
    for field, noun in NAMES.items():
        value = (metadata or {}).get(field)
        if value is not None and not isinstance(value, str):
            yield TypeMetaError(("metadata", field), noun, value)
