"""Manifests that the cluster tests apply."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

Json = dict[str, Any]

CONTAINERS = [{"name": "main", "image": "registry.example/main:1"}]
SELECTED = {"tier": "web"}
GOOD = {"app": "web", "role": "frontend"}


def namespace(name: str, **labels: str) -> Json:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str, space: str, labels: Mapping[str, str], **metadata: Any) -> Json:
    """Return a bare Pod."""
    metadata = {"name": name, "namespace": space, "labels": dict(labels), **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": CONTAINERS}}


def deployment(name: str, space: str, labels: Mapping[str, str], *, replicas: int = 1) -> Json:
    """Return a Deployment whose Pods have `labels`."""
    spec = {"replicas": replicas, "selector": {"matchLabels": SELECTED}, "template": template(labels)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": spec}


def template(labels: Mapping[str, str]) -> Json:
    """Return a pod template with `labels` and the label of the selectors in these tests."""
    return {"metadata": {"labels": {**SELECTED, **labels}}, "spec": {"containers": CONTAINERS}}


def every_kind(space: str, labels: Mapping[str, str]) -> dict[str, Json]:
    """Return one object of each built-in kind that creates Pods, whose Pods have `labels`."""
    selector = {"matchLabels": SELECTED}
    once = {**template(labels), "spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
    specs: dict[str, tuple[str, Json]] = {
        "Deployment": ("apps/v1", {"spec": {"selector": selector, "template": template(labels)}}),
        "ReplicaSet": ("apps/v1", {"spec": {"selector": selector, "template": template(labels)}}),
        "StatefulSet": ("apps/v1", {"spec": {"selector": selector, "serviceName": "x", "template": template(labels)}}),
        "DaemonSet": ("apps/v1", {"spec": {"selector": selector, "template": template(labels)}}),
        "ReplicationController": ("v1", {"spec": {"replicas": 1, "selector": SELECTED, "template": template(labels)}}),
        "PodTemplate": ("v1", {"template": template(labels)}),
        "Job": ("batch/v1", {"spec": {"template": once}}),
        "CronJob": ("batch/v1", {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}}),
        "Pod": ("v1", {"spec": {"containers": CONTAINERS}}),
    }
    objects = {}
    for kind, (version, body) in specs.items():
        metadata: Json = {"name": f"one-{kind.lower()}", "namespace": space}
        if kind == "Pod":
            metadata["labels"] = dict(labels)
        objects[kind] = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
    return objects


def with_host_network(manifest: Mapping[str, Any]) -> Json:
    """Return the same object with Pods on the host network."""
    changed = deepcopy(dict(manifest))
    pod_spec(changed)["hostNetwork"] = True
    return changed


def pod_spec(manifest: Json) -> Json:
    """Return the pod spec of an object."""
    elsewhere = {"CronJob": "spec.jobTemplate.spec.template.spec", "Pod": "spec", "PodTemplate": "template.spec"}
    found = manifest
    for step in elsewhere.get(manifest["kind"], "spec.template.spec").split("."):
        found = found[step]
    return found


def join_manifests(*objects: Mapping[str, Any]) -> str:
    """Return several objects in one file."""
    return yaml.safe_dump_all([dict(one) for one in objects])
