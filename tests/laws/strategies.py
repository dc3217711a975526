"""Hypothesis strategies for objects, reviews and policy files: valid ones, invalid ones, and valid ones with small errors."""

import copy
import json
import os
from collections.abc import Mapping
from ipaddress import IPv6Network, ip_network
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.reviews import Json, namespace, review
from webhook.model.fields import IPV4_MAPPED
from webhook.model.kinds import BY_KIND, POD_MAKERS, PodMaker
from webhook.model.policy import GuardPolicy

# LAW_EXAMPLES=10000 in the environment tries more examples.
LAW: Final = settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

ROLES: Final = ("frontend", "backend", "data")
FAMILIAR: Final = ("app", "role", "app.kubernetes.io/name", "k8s-app", "app.kubernetes.io/component", "team")
# Texts that YAML would parse as other types, and keys that field paths must put in brackets.
STRANGE: Final = ("on", "null", "1", "2026-01-31", "shop.example/on", "a.b")


@st.composite
def some_network(draw: st.DrawFn) -> str:
    """Generate a network of either IP version in canonical form, without IPv4-mapped IPv6 networks."""
    address = draw(st.ip_addresses())
    network = ip_network((address, draw(st.integers(0, address.max_prefixlen))), strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(IPV4_MAPPED):
        network = IPv6Network((0, network.prefixlen))
    return str(network)


networks = some_network()

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)

label_names = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
label_keys = label_names | st.from_regex(r"[a-z]([-a-z]{0,5}[a-z])?\.example/[A-Za-z0-9]{1,5}", fullmatch=True)
label_values = label_names | st.just("")
# Mostly labels that rules check, with valid, nearly valid and invalid values.
labels = st.dictionaries(
    st.sampled_from(FAMILIAR) | label_keys,
    st.sampled_from((*ROLES, "Frontend", "backends", "web", "")) | label_values | st.text(max_size=5),
    max_size=6,
)

users = st.fixed_dictionaries(
    {
        "username": st.sampled_from(
            ["jane", "system:node:worker-1", "system:serviceaccount:kube-system:replicaset-controller", ""]
        ),
        "groups": st.none() | st.lists(st.sampled_from(["system:nodes", "system:masters", "a"]), max_size=2),
    }
)
owners = st.lists(
    st.fixed_dictionaries(
        {
            "apiVersion": st.just("apps/v1"),
            "kind": st.just("ReplicaSet"),
            "name": st.just("web-7d4b"),
            "uid": st.just("42"),
            "controller": st.none() | st.booleans(),
        }
    ),
    max_size=2,
)


def manifest(maker: PodMaker, pod_labels: Mapping[str, str | None] | None, metadata: Json) -> Json:
    """Generate an object of a kind whose Pods have these labels."""
    containers = [{"name": "a", "image": "b"}]
    source: Json = {"metadata": {"labels": pod_labels}, "spec": {"containers": containers}}
    if maker.pod_metadata:
        source = {maker.pod_metadata: {"labels": pod_labels}, "templates": [{"container": containers[0]}]}
    for key in reversed(maker.template.split(".")) if maker.template else ():
        source = {key: source}
    version = f"{maker.group}/v1".removeprefix("/")
    return {"apiVersion": version, "kind": maker.kind, **source, "metadata": {**source.get("metadata", {}), **metadata}}


metadata = st.fixed_dictionaries(
    {"name": st.sampled_from(["web", "a" * 80, ""])},
    optional={
        "generateName": st.just("web-"),
        "ownerReferences": owners,
        "annotations": st.just({"kubernetes.io/config.mirror": "1"}) | st.none() | st.just({"a": "b"}),
        "finalizers": st.just(["example.com/wait"]),
        "deletionTimestamp": st.just("2026-01-01T00:00:00Z"),
    },
)
manifests = st.builds(manifest, st.sampled_from(POD_MAKERS), labels | st.none(), metadata)


@st.composite
def reviews(draw: st.DrawFn) -> Json:
    """Generate a review of any known kind as an API server may send it."""
    options: Json = {
        "userInfo": draw(users),
        "namespace": draw(st.sampled_from(["shop", "kube-system", "guards", ""])),
        "uid": draw(st.text(min_size=1)),
        "dryRun": draw(st.none() | st.booleans()),
    }
    if draw(st.integers(0, 9)) == 0:
        return review(namespace(labels=draw(labels)), **options)
    found = draw(manifests)
    match draw(st.sampled_from(["CREATE", "UPDATE", "DELETE", "status"])):
        case "UPDATE":
            maker = BY_KIND[found["apiVersion"].rpartition("/")[0], found["kind"]]
            before = draw(st.just(found) | st.builds(manifest, st.just(maker), labels, metadata))
            return review(found, before=before, **options)
        case "DELETE":
            options["operation"] = "DELETE"
            return review(None, before=found, **options)
        case "status":
            return review(found, before=found, **options, subResource="status")
    return review(found, **options)


def steps(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Yield the path of every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, found in inner for path in ((*at, key), *steps(found, (*at, key)))]


@st.composite
def spoilt_reviews(draw: st.DrawFn) -> bytes:
    """Generate a valid review in which one value is deleted or replaced."""
    body = copy.deepcopy(draw(reviews()))
    *parents, last = draw(st.sampled_from(steps(body)))
    target: Any = body
    for key in parents:
        target = target[key]
    if draw(st.booleans()):
        del target[last]
    else:
        target[last] = draw(json_values)
    return json.dumps(body).encode()


@st.composite
def torn_reviews(draw: st.DrawFn) -> bytes:
    """Generate the bytes of a valid review, truncated or with some bytes changed."""
    body = bytearray(json.dumps(draw(reviews()), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    if draw(st.booleans()):
        return bytes(body[: draw(st.integers(0, len(body) - 1))])
    for _ in range(draw(st.integers(1, 3))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


REQUIRED: Final[tuple[Json, ...]] = (
    {"oneOf": ["payments", "search"]},
    {"matches": "[0-9]{4}"},
    {"matches": "payments|[a-z]"},
)
requirements = st.lists(st.sampled_from(REQUIRED), max_size=2)


@st.composite
def policies(draw: st.DrawFn) -> GuardPolicy:
    """Generate a policy in which each label has one meaning, with any modes."""
    keys = draw(st.permutations((*FAMILIAR, *STRANGE)))
    modes = st.sampled_from(["enforce", "warn", "audit", "off"])
    rules = st.sampled_from(["known-role", "require-app", "require-label", "require-role"])
    return GuardPolicy.model_validate(
        {
            "apiVersion": "catflap.dev/v1",
            "kind": "GuardPolicy",
            "mode": draw(modes),
            "rules": draw(st.dictionaries(rules, modes, max_size=2)),
            "workloads": {
                "app": {"label": keys[0], "aliases": keys[1 : 1 + draw(st.integers(0, 2))]},
                "role": {
                    "label": keys[3],
                    "aliases": keys[4 : 4 + draw(st.integers(0, 2))],
                    "oneOf": draw(st.lists(st.sampled_from(ROLES) | label_names, min_size=1, max_size=3, unique=True)),
                },
                "require": [{"label": keys[6 + n], **one} for n, one in enumerate(draw(requirements))],
                "existingWorkloads": draw(st.sampled_from(["admit", "judge"])),
                "scope": draw(st.sampled_from(["template", "object", "both"])),
            },
        }
    )


def keys_of(policy: GuardPolicy) -> list[str]:
    """Return every label in a policy."""
    workloads = policy.workloads
    return [*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)]


@st.composite
def labels_under(draw: st.DrawFn, policy: GuardPolicy) -> dict[str, str]:
    """Generate labels that a policy checks."""
    values = st.sampled_from((*policy.workloads.role.one_of, "payments", "1234", "web", "")) | label_values
    return draw(st.dictionaries(st.sampled_from(keys_of(policy)), values, max_size=6))
