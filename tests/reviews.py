"""AdmissionReviews in the form that the API server sends."""

import json
from collections.abc import Mapping
from typing import Any

from webhook.model.kinds import BY_KIND, POLICIES_BY_KIND

Json = dict[str, Any]

RESOURCES = {
    "Pod": ("", "v1", "pods"),
    "PodTemplate": ("", "v1", "podtemplates"),
    "ReplicationController": ("", "v1", "replicationcontrollers"),
    "Namespace": ("", "v1", "namespaces"),
    "ConfigMap": ("", "v1", "configmaps"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "Deployment": ("apps", "v1", "deployments"),
    "ReplicaSet": ("apps", "v1", "replicasets"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
    "CronJob": ("batch", "v1", "cronjobs"),
    "Job": ("batch", "v1", "jobs"),
}
# The versions of custom resources by group and kind; others have v1. Two kinds have the names of kinds of Kubernetes.
CUSTOM = {
    ("apps.kruise.io", "AdvancedCronJob"): ("v1alpha1", "advancedcronjobs"),
    ("apps.kruise.io", "BroadcastJob"): ("v1alpha1", "broadcastjobs"),
    ("apps.kruise.io", "CloneSet"): ("v1alpha1", "clonesets"),
    ("apps.kruise.io", "DaemonSet"): ("v1alpha1", "daemonsets"),
    ("apps.kruise.io", "StatefulSet"): ("v1beta1", "statefulsets"),
    ("apps.kruise.io", "UnitedDeployment"): ("v1alpha1", "uniteddeployments"),
    ("apps.openshift.io", "DeploymentConfig"): ("v1", "deploymentconfigs"),
    ("argoproj.io", "CronWorkflow"): ("v1alpha1", "cronworkflows"),
    ("argoproj.io", "Rollout"): ("v1alpha1", "rollouts"),
    ("argoproj.io", "Workflow"): ("v1alpha1", "workflows"),
    ("keda.sh", "ScaledJob"): ("v1alpha1", "scaledjobs"),
    ("serving.knative.dev", "Configuration"): ("v1", "configurations"),
    ("serving.knative.dev", "Service"): ("v1", "services"),
    ("example.com", "Widget"): ("v1", "widgets"),
}
# Kinds that no registration sends, and that a server answers nevertheless.
UNREGISTERED = {"Service": ("", "v1", "services"), "Gadget": ("example.com", "v1", "gadgets")}
GOOD = {"app": "web", "role": "frontend"}


def pod(labels: Mapping[str, str] | None = None, **metadata: Any) -> Json:
    """Return a Pod with these labels; `metadata` overrides and adds fields of its metadata."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", **({"labels": dict(labels)} if labels else {}), **metadata},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
    }


def deployment(labels: Mapping[str, str] | None = None, /, **metadata: Any) -> Json:
    """Return a Deployment whose Pods have these labels; `metadata` adds fields of the Deployment's metadata."""
    template = {"metadata": {"labels": dict(labels or {})}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **metadata},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"tier": "web"}}, "template": template},
    }


def namespace(name: str = "shop", labels: Mapping[str, str] | None = None) -> Json:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}


def resource_of(group: str, kind: str) -> tuple[str, str, str]:
    """Return the group, version and plural of a kind; a kind of Kubernetes needs no group."""
    if found := POLICIES_BY_KIND.get((group, kind)):
        return found.group, found.version, found.resource
    if (group, kind) in CUSTOM:
        return (group, *CUSTOM[group, kind])
    if (maker := BY_KIND.get((group, kind))) and maker.custom:
        return group, "v1", maker.resource
    return {**RESOURCES, **UNREGISTERED}[kind]


def review(manifest: Json | None, *, before: Json | None = None, **request: Any) -> Json:
    """Return a review of the manifest's CREATE, or of its UPDATE from `before`; `request` overrides fields."""
    shown = manifest or before or {"kind": "Pod"}
    kind = shown["kind"]
    group, version, resource = resource_of(str(shown.get("apiVersion", "")).partition("/")[0], kind)
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": ((manifest or {}).get("metadata") or {}).get("name", ""),
            "namespace": "shop",
            "operation": "CREATE" if before is None else "UPDATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": manifest,
            "oldObject": before,
            "dryRun": False,
            **request,
        },
    }


def encoded(manifest: Json | None, **options: Any) -> bytes:
    """Return `review` as the body of a POST."""
    return json.dumps(review(manifest, **options)).encode()
