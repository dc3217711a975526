"""Manifests as people and tools write them: YAML or JSON, several documents, Lists in Lists."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from webhook.guard.existing import Existing
from webhook.model.kinds import BY_KIND, NO_EXTRA_KINDS, POD, POLICIES_BY_KIND, Makers, PolicyKind
from webhook.model.request import Document, Operation, PolicyObject, Request, Target, User
from webhook.model.workload import Workload
from webhook.netpol import reading
from webhook.review.objects import Labelled, convert, labels_of, workload_from

# libyaml's composer recurses in C and takes the process with it, at some 50,000 levels; a level costs a character at least.
CRASH_DEPTH = 10_000
# Far above any manifest, and the API server itself stops at 10,000.
DEEPEST = 1_000
# PyYAML raises whatever Python does for a tag that its value does not fit.
UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)
# kubectl takes no List in a List at all; aliases make a short file of many.
DEEPEST_LIST = 3
MOST_OBJECTS = 100_000
# What kubectl leaves as text: what looks like a date, and a bare `=`.
TEXT_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
# JSON's escapes; what stands for half a character alone is a replacement character to the API server (Go, encoding/json).
HALF_CHARACTER = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
APPLIER = User(name="system:offline")
KUBELET = User(name="system:node:any", groups=("system:nodes",))
ENDED = frozenset({"Succeeded", "Failed"})  # phases


class BadManifest(Exception):  # noqa: N818 (the manifest is bad, not the program)
    """A document that is no Kubernetes object; the message says where and why."""


class NotKubernetes(BadManifest):
    """A document without apiVersion and kind: another program's file."""


class ManifestLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML as kubectl reads it: what looks like a date stays text."""


ManifestLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in TEXT_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Manifest(Struct, frozen=True):
    """One object of a file; `workload` where it is a Pod or makes Pods, `policy` where it is a network policy.

    `resource` is its plural, where a rule may be about it; `document` is the whole object of a workload.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    workload: Workload | None = None
    policy: PolicyObject | None = None
    resource: str = ""
    document: Document | None = None

    @property
    def subject(self) -> Workload | PolicyObject | None:
        """What rules may be about."""
        return self.workload or self.policy


def documents(text: str) -> Iterator[Any]:
    """Each document that is not empty, Lists taken apart; raises BadManifest."""
    try:
        for number, document in enumerate(chain.from_iterable(map(flattened, parsed(text)))):
            if number >= MOST_OBJECTS:
                raise BadManifest(f"more than {MOST_OBJECTS} objects")
            yield document
    except UNREADABLE as bad:
        raise BadManifest(f"not YAML: {' '.join(str(bad).split())}") from None


def parsed(text: str) -> Iterator[Any]:
    """The documents of a file: JSON values one after the other, or YAML."""
    if text.lstrip().startswith("{"):
        try:
            yield from json_values(text)
        except ValueError:
            pass  # YAML may begin so as well
        else:
            return
    if len(text) > CRASH_DEPTH:
        check_depth(text)
    yield from (document for document in yaml.load_all(text, ManifestLoader) if document is not None)


def json_values(text: str) -> list[Any]:
    """JSON values one after the other; raises ValueError for what is no JSON."""
    decoder, values, position = json.JSONDecoder(), [], 0
    if "\\u" in text:
        text = HALF_CHARACTER.sub(lambda found: found[1] or "\\ufffd", text)
    while position < len(text):
        if text[position].isspace():
            position += 1
        else:
            value, position = decoder.raw_decode(text, position)
            values.append(value)
    return values


def check_depth(text: str) -> None:
    """Look at a large text before it is read whole; raises ValueError where it is nested beyond all manifests."""
    depth = 0
    for event in yaml.parse(text, ManifestLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")


def flattened(document: Any, depth: int = 0) -> Iterator[Any]:
    """A document, or the items of a List; items of a typed list (PodList) take their kind from it."""
    if depth > DEEPEST_LIST:
        raise BadManifest(f"Lists in Lists, more than {DEEPEST_LIST} deep")
    kind = document.get("kind") if isinstance(document, dict) else None
    items = document.get("items") if isinstance(kind, str) and kind.endswith("List") else None
    if not isinstance(kind, str) or not isinstance(items, list):
        yield document
        return
    implied = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for item in items:
        yield from flattened({**implied, **item} if isinstance(item, dict) else item, depth + 1)


def read(document: Any, *, default_namespace: str, extra: Makers = NO_EXTRA_KINDS) -> Manifest:
    """One object from its document; `extra` has the policy file's own kinds.  Raises BadManifest."""
    if not isinstance(document, dict):
        raise NotKubernetes(f"expected an object with apiVersion and kind, got {type(document).__name__}")
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if not (isinstance(api_version, str) and isinstance(kind, str) and api_version and kind):
        raise NotKubernetes("no Kubernetes object: apiVersion and kind are missing")
    group = api_version.rpartition("/")[0]
    maker = BY_KIND.get((group, kind)) or extra.get((group, kind))
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    namespace = str(metadata.get("namespace") or "")
    if found := POLICIES_BY_KIND.get((group, kind)):
        space = (namespace or default_namespace) if found.namespaced else ""
        said = policy_from(found, space, name, document)
        return Manifest(api_version, kind, space, name, policy=said, resource=found.resource)
    if maker is None:
        return Manifest(api_version, kind, namespace, name)
    try:
        workload = workload_from(maker, document, convert)
    except (msgspec.ValidationError, RecursionError, UnicodeError) as bad:
        says, _, path = str(bad).partition(" - at `")
        where = path.replace("key` in `", "").rstrip("`").removeprefix("$").removeprefix(".")
        raise BadManifest(f"{kind} {name}: {where or 'object'}: {says}") from None
    workload = msgspec.structs.replace(workload, namespace=namespace or default_namespace)
    return Manifest(
        api_version,
        kind,
        workload.namespace,
        workload.name,
        workload,
        resource=maker.resource,
        document=Document(placed(document, workload.namespace), foretold=True, bare="uid" not in metadata),
    )


def placed(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """An object in the namespace that it is created in, as the API server writes it down where the object names none."""
    metadata = document.get("metadata") or {}
    return {**document, "metadata": {**metadata, "namespace": namespace}} if namespace else document


def policy_from(kind: PolicyKind, namespace: str, name: str, document: dict[str, Any]) -> PolicyObject:
    """A network policy with what it opens; raises BadManifest."""
    try:
        labels = labels_of(convert(document, Labelled))
        contents = reading.read((kind.group, kind.resource), document)
    except (msgspec.ValidationError, RecursionError, UnicodeError) as bad:
        raise BadManifest(f"{kind.kind} {name}: {bad}") from None
    return contents.added_to(PolicyObject(kind.kind, namespace, name, labels))


def creation(manifest: Manifest) -> Request:
    """The request that creating the manifest's object would be."""
    group, _, version = manifest.api_version.rpartition("/")
    return Request(
        uid="offline",
        operation=Operation.CREATE,
        user=APPLIER,
        target=Target(
            group=group,
            version=version,
            resource=manifest.resource,
            subresource="",
            kind=manifest.kind,
            namespace=manifest.namespace,
            name=manifest.name,
        ),
        workload=manifest.workload,
        policy=manifest.policy,
        document=manifest.document,
    )


def existing(document: Any, *, default_namespace: str, extra: Makers = NO_EXTRA_KINDS) -> Existing:
    """An object as it stands, by what the API server says of it or a manifest; raises BadManifest."""
    request = creation(read(document, default_namespace=default_namespace, extra=extra))
    if request.workload is not None and request.workload.mirror:
        # No admission stops a static Pod: the kubelet makes it, and then says so (kubernetes, pkg/kubelet/pod/mirror_client.go).
        request = msgspec.structs.replace(request, user=KUBELET)
    metadata, status = (found if isinstance(found := document.get(key), dict) else {} for key in ("metadata", "status"))
    return Existing(
        request,
        uid=str(metadata.get("uid") or ""),
        created=moment(metadata.get("creationTimestamp"), f"{request.target.kind} {request.target.name}"),
        running=document["kind"] == POD.kind and str(status.get("phase")) not in ENDED,
    )


def each_existing(documents: Iterable[Any], unread: list[str], *, extra: Makers = NO_EXTRA_KINDS) -> Iterator[Existing]:
    """What a cluster has; of what nobody can read, `unread` is told."""
    for document in documents:
        try:
            yield existing(document, default_namespace="", extra=extra)
        except BadManifest as bad:
            unread.append(str(bad))


def moment(said: Any, whose: str) -> datetime | None:
    """When an object was made, None where that is not said; raises BadManifest for what is no moment of the API's."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except (ValueError, TypeError):
        found = None
    if found is None or found.tzinfo is None:
        raise BadManifest(f"{whose}: metadata.creationTimestamp: {said!r} is no moment such as 2026-12-31T23:59:59Z")
    return found
