"""Generate reviews that are as large and as unusual as the API server may send them, for each kind of object that is checked.

The kinds come from the tables of `webhook.model.kinds`, so a new row there is tried without an edit here.
"""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from benchmarks.shapes.files import policy_file
from benchmarks.shapes.policies import SPECS
from benchmarks.shapes.values import DEEP, Json, labels, many, one_in, spoiled, text, tree, word
from webhook.model.kinds import (
    BINDINGS,
    CONFIGMAPS,
    LABELLING_SUBRESOURCES,
    NAMESPACES,
    POD,
    POD_MAKERS,
    POLICY_KINDS,
    PodMaker,
)
from webhook.model.names import POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY

# k8s.io/apiserver, pkg/server/config.go: what a request may have.
LARGEST: Final = 3 << 20
NESTED: Final = re.compile(f'"{DEEP}([0-9]+)"')
OWN_NAMESPACE: Final = "catflap-system"


class Kind(NamedTuple):
    """A resource as reviews name it."""

    group: str
    version: str
    resource: str
    kind: str
    subresource: str = ""
    maker: PodMaker | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.group or "core", self.resource, self.subresource)))


def kinds() -> tuple[Kind, ...]:
    """Every resource that a review is read of."""
    makers = [Kind(one.group, "v1", one.resource, one.kind, maker=one) for one in POD_MAKERS]
    policies = [Kind(one.group, one.version, one.resource, one.kind) for one in POLICY_KINDS]
    core = [Kind(*NAMESPACES[:1], "v1", NAMESPACES[1], "Namespace"), Kind("", "v1", CONFIGMAPS[1], "ConfigMap")]
    labelled = [
        Kind(group, "v1", resource, "Pod" if resource == POD.resource else "Namespace", subresource=name)
        for (group, resource), names in LABELLING_SUBRESOURCES.items()
        for name in names
    ]
    bindings = [Kind(group, "v1", resource, "Binding", name) for group, resource, name in sorted(BINDINGS)]
    maker = {POD.resource: POD}
    return tuple(
        one._replace(maker=one.maker or maker.get(one.resource))
        for one in (*makers, *policies, *core, *labelled, *bindings)
    )


def metadata(random: Random, size: int) -> Json:
    """The metadata of an object, grown in one or two ways."""
    found: Json = {"name": word(random), "namespace": "shop", "labels": {"app": "web", "role": "frontend"}}
    for _ in range(random.choice((1, 1, 2))):
        match random.randrange(7):
            case 0 | 1:
                found["labels"] = labels(random, size)
            case 2:
                found["annotations"] = {text(random, random.choice((20, size))): text(random, size)}
            case 3:
                found["name"] = text(random, size)
            case 4:
                found |= {"name": None, "generateName": text(random, size)}
            case 5:
                owner = {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": text(random, 20),
                    "uid": "1",
                    "controller": True,
                }
                found["ownerReferences"] = [owner] * (1 + size // 90)
            case 6:
                found["managedFields"] = [{"manager": "x", "fieldsV1": tree(random, size)}]
    return found


def template(random: Random, size: int) -> Json:
    """A Pod, or the template of one."""
    spec: Json = {"hostNetwork": one_in(random, 3), "serviceAccountName": text(random, random.choice((5, size)))}
    if one_in(random, 3):
        spec["containers"] = [
            {"name": f"c{number}", "image": "x", "env": [{"name": "A", "value": "b"}]}
            for number in range(1 + size // 60)
        ]
    elif one_in(random, 3):
        spec["containers"] = tree(random, size)
    return {"metadata": metadata(random, size), "spec": spec}


def workload(random: Random, kind: Kind, size: int) -> Json:
    """An object that is a Pod or makes Pods; one with several places for a template may have several."""
    assert kind.maker is not None
    found = template(random, size) if not kind.maker.template else {"metadata": metadata(random, size)}
    paths = [path for path in kind.maker.sources if path]
    for path in random.sample(paths, random.randint(1, len(paths))) if paths else ():
        place = found
        *outer, last = path.split(".")
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = template(random, size // len(paths))
    return found


def manifest(random: Random, kind: Kind, size: int) -> Json:
    """An object of a kind, of about so many bytes."""
    api_version = f"{kind.group}/{kind.version}".lstrip("/")
    if kind.maker is not None:
        body = workload(random, kind, size)
    elif kind.group in SPECS:
        body = {"metadata": metadata(random, random.choice((1, size))), "spec": SPECS[kind.group](random, size)}
    else:
        body = {"metadata": metadata(random, size)}
    if (kind.group, kind.resource) == CONFIGMAPS:
        body = {"metadata": {"name": POLICY_CONFIGMAP}, "data": {POLICY_CONFIGMAP_KEY: policy_file(random, size)}}
    elif one_in(random, 3):
        body = spoiled_part(random, body, size)
    return {"apiVersion": api_version, "kind": kind.kind, **body}


def name_of(found: Json) -> str:
    """The name of an object, which has metadata of any shape."""
    fields = found["metadata"]
    name = fields.get("name") if isinstance(fields, dict) else None
    return name if isinstance(name, str) else ""


def spoiled_part(random: Random, body: Json, size: int) -> Json:
    """An object's body with many values in a part of it, or in one that it does not have."""
    part = random.choice(("metadata", "spec", "template", "status"))
    if part not in body:
        return {**body, part: many(random, size)}
    spoilt = spoiled(random, body[part], size)
    named = {"name": "web"} if part == "metadata" and isinstance(spoilt, dict) else {}
    return {**body, part: {**spoilt, **named} if isinstance(spoilt, dict) else spoilt}


def reviews(random: Random, kind: Kind, size: int) -> Iterator[bytes]:
    """Reviews of an object's creation and of its change, by a user with a long name, in many groups, or a usual one."""
    new = manifest(random, kind, size)
    old = random.choice((new, manifest(random, kind, random.choice((10, size)))))
    is_file = (kind.group, kind.resource) == CONFIGMAPS
    groups = [text(random, 20) for _ in range(random.choice((1, 3, 10_000)))]
    user = {"username": text(random, random.choice((10, 10, 100_000))), "groups": groups}
    for operation, shown, before in (("CREATE", new, None), ("UPDATE", new, old), ("DELETE", None, old)):
        request = {
            "uid": text(random, random.choice((10, 10, 10_000))),
            "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "resource": {"group": kind.group, "version": kind.version, "resource": kind.resource},
            "subResource": kind.subresource,
            "name": name_of(new),
            "namespace": OWN_NAMESPACE
            if is_file
            else random.choice(("shop", "shop", text(random, random.choice((5, size))))),
            "operation": operation,
            "userInfo": user,
            "object": shown,
            "oldObject": before,
        }
        body = json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        if one_in(random, 10):
            body = body.replace('"labels":{', '"labels":{"role":"x","role":"backend",', 1)  # a duplicate key
        yield NESTED.sub(lambda found: '{"a":' * int(found[1]) + "1" + "}" * int(found[1]), body).encode()
