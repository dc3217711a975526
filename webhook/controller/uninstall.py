"""Removes what catflap wrote to a cluster, and nothing else."""

from collections.abc import Callable, Iterator
from itertools import chain
from time import sleep
from typing import Final

from webhook.controller.admission_policy_sync import has_own_label as labelled
from webhook.kube import reports, webhook_path
from webhook.kube.api import CONFLICT, NOT_FOUND, PAGE_SIZE, Api, ApiError, Json
from webhook.kube.namespaces import NAMESPACES_PATH as NAMESPACES
from webhook.kube.namespaces import namespace_path
from webhook.kube.policies import delete_policy, own_policies
from webhook.kube.registration_state import turn_on
from webhook.kube.webhook_configurations import ADMISSION_POLICY_KINDS, PHASES, own_admission_policy_path, path
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import (
    ADMISSION_POLICY,
    DEFAULT_DENY,
    ENTRY_SUFFIX,
    GUARD_LABEL,
    PATH_SECRET,
    WEBHOOK_CONFIGURATION,
)

# A controller that is stopping may still repair once. Nothing may reappear between two passes.
PASS_INTERVAL_SECONDS = 2.0
MAX_PASSES = 30


class UninstallIncomplete(Exception):  # noqa: N818 (a state of the cluster)
    """Removed objects reappear, because a controller runs; the message says so."""


def remove_installation(api: Api, own_namespace: str) -> Iterator[str]:
    """Remove catflap's webhook configurations, policies, labels and reports; yield a line per removed object.

    The controllers' state in `own_namespace` is removed last. A policy is catflap's by name, label and field manager.
    The default-deny of a namespace is removed after its other policies. Raises ApiError, UninstallIncomplete.
    """
    for number in range(MAX_PASSES):
        done = False
        for line in chain.from_iterable(step(api) for step in REMOVAL_STEPS):
            done = True
            yield line
        if number and not done:
            yield from remove_registration_state(api, own_namespace)
            return
        sleep(PASS_INTERVAL_SECONDS)
    raise UninstallIncomplete(
        "the removed objects exist again, because a catflap controller still runs; stop the controller, then try again"
    )


class DryRunApi(Api):
    """An API that only reads: each write succeeds without being sent."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, path: str, **query: str) -> Json | None:
        """Return an object. Raises ApiError."""
        return self._api.get(path, **query)

    def list(self, path: str, **query: str) -> Json:
        """Return a list. Raises ApiError."""
        return self._api.list(path, **query)

    def pages(self, path: str, *, size: int = PAGE_SIZE, **query: str) -> Iterator[Json]:
        """Return a list in pages. Raises ApiError."""
        return self._api.pages(path, size=size, **query)

    def merge(self, path: str, body: Json) -> Json:  # noqa: ARG002 (nothing is sent)
        """Return the patch without sending it."""
        return body

    def delete(self, path: str, *, uid: str, version: str) -> bool:  # noqa: ARG002 (nothing is sent)
        """Return that the object was deleted."""
        return True


def preview_removal(api: Api, own_namespace: str) -> Iterator[str]:
    """Yield the lines of `remove_installation` without writing anything. Raises ApiError."""
    rehearsal = DryRunApi(api)
    yield from chain.from_iterable(step(rehearsal) for step in REMOVAL_STEPS)
    yield from remove_registration_state(rehearsal, own_namespace)


def remove_registration_state(api: Api, own_namespace: str) -> Iterator[str]:
    """Delete the state of the registration, last of all, because a running controller would create it again.

    It consists of the ConfigMap that says whether catflap is registered, and the Secret of the path.
    """
    if where := turn_on(api, own_namespace=own_namespace):
        yield f"ConfigMap {where} removed"
    secret = api.get(webhook_path.path(own_namespace))
    if secret and labelled(secret) and delete_as_found(api, webhook_path.path(own_namespace), secret):
        yield f"Secret {own_namespace}/{PATH_SECRET} removed"


def remove_webhook_configurations(api: Api) -> Iterator[str]:
    """Delete the webhook configurations, so that no request waits for catflap."""
    for phase in PHASES:
        found = api.get(path(phase))
        if found and has_only_own_entries(found) and delete_as_found(api, path(phase), found):
            yield f"{phase.capitalize()}WebhookConfiguration {WEBHOOK_CONFIGURATION} removed"


def has_only_own_entries(found: Json) -> bool:
    """Return whether all entries of a webhook configuration are catflap's."""
    return all(one["name"].endswith(ENTRY_SUFFIX) for one in found.get("webhooks", ()))


def remove_admission_policy(api: Api) -> Iterator[str]:
    """Delete the ValidatingAdmissionPolicy and its binding."""
    for kind in reversed(ADMISSION_POLICY_KINDS):
        found = api.get(own_admission_policy_path(kind))
        if found and labelled(found) and delete_as_found(api, own_admission_policy_path(kind), found):
            yield f"{kind} {ADMISSION_POLICY} removed"


def delete_as_found(api: Api, path: str, found: Json) -> bool:
    """Return whether an object was deleted as it was read; after a conflict, the next pass reads it again."""
    try:
        return api.delete(path, uid=found["metadata"]["uid"], version=found["metadata"]["resourceVersion"])
    except ApiError as error:
        if error.status != CONFLICT:
            raise
        return False


def remove_policies(api: Api) -> Iterator[str]:
    """Delete catflap's policies of every kind that this cluster serves."""
    found = [(kind, one) for kind in WRITTEN_KINDS for one in own_policies(api, kind)]
    for kind, one in sorted(found, key=lambda pair: pair[1]["metadata"]["name"] == DEFAULT_DENY):
        metadata = one["metadata"]
        space = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        try:
            if delete_policy(api, kind, one):
                yield f"{kind.kind}.{kind.group} {space}{metadata['name']} removed"
        except ApiError as error:
            if error.status != CONFLICT:  # changed in between: the next pass reads it again
                raise


def remove_reports(api: Api) -> Iterator[str]:
    """Delete catflap's reports, if the cluster serves their API."""
    for one in reports.own_reports(api) if reports.is_served(api) else ():
        space = one["metadata"].get("namespace", "")
        if reports.delete_report(api, one):
            yield f"{one['kind']} {space}/{one['metadata']['name']} removed".replace(" /", " ")


def remove_managed_labels(api: Api) -> Iterator[str]:
    """Remove the managed label from every namespace that has it."""
    found = api.get(NAMESPACES, labelSelector=GUARD_LABEL) or {}
    for one in found.get("items", ()):
        name, uid = one["metadata"]["name"], one["metadata"]["uid"]
        try:
            api.merge(namespace_path(name), {"metadata": {"uid": uid, "labels": {GUARD_LABEL: None}}})
            yield f"label removed from Namespace {name}"
        except ApiError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # deleted or created again: the next pass reads it
                raise


REMOVAL_STEPS: Final[tuple[Callable[[Api], Iterator[str]], ...]] = (
    remove_webhook_configurations, remove_admission_policy, remove_policies, remove_managed_labels, remove_reports,
)  # fmt: skip
