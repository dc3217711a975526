"""Leaving a cluster as it was: what we wrote goes, and nothing else."""

from collections.abc import Callable, Iterator
from itertools import chain
from time import sleep
from typing import Final

from webhook.controller.twinned import is_ours as labelled
from webhook.kube import reports, webhook_path
from webhook.kube.api import CONFLICT, NOT_FOUND, PAGE_SIZE, Api, ApiError, Json
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.namespaces import path as namespace_path
from webhook.kube.policies import ours, remove
from webhook.kube.registrations import PHASES, TWINS, path, twin_path
from webhook.kube.switch import turn_on
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import (
    ADMISSION_POLICY,
    DEFAULT_DENY,
    ENTRY_SUFFIX,
    GUARD_LABEL,
    PATH_SECRET,
    WEBHOOK_CONFIGURATION,
)

# A controller that is being stopped may yet repair once; nothing may come back between two looks.
PAUSE_SECONDS = 2.0
MOST_PASSES = 30


class Unfinished(Exception):  # noqa: N818 (a state of the cluster)
    """Something of ours comes back, as long as a controller runs; the message says so."""


def leave(api: Api, own_namespace: str) -> Iterator[str]:
    """Remove our webhook configurations, our policies, stamps and reports; what is done, in words, as it is done.

    Last goes what the controllers keep in `own_namespace`. A policy is ours by name, label and field manager; of a namespace's policies the one that closes it goes last.
    Raises ApiError, Unfinished.
    """
    for number in range(MOST_PASSES):
        done = False
        for line in chain.from_iterable(step(api) for step in STEPS):
            done = True
            yield line
        if number and not done:
            yield from forget(api, own_namespace)
            return
        sleep(PAUSE_SECONDS)
    raise Unfinished("what was removed comes back: a catflap controller still runs; stop it, then try again")


class Rehearsal(Api):
    """A cluster that is only read: whatever is written counts as done."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, path: str, **query: str) -> Json | None:
        """What is there.  Raises ApiError."""
        return self._api.get(path, **query)

    def list(self, path: str, **query: str) -> Json:
        """What is listed there.  Raises ApiError."""
        return self._api.list(path, **query)

    def pages(self, path: str, *, size: int = PAGE_SIZE, **query: str) -> Iterator[Json]:
        """What is listed there, in pieces.  Raises ApiError."""
        return self._api.pages(path, size=size, **query)

    def merge(self, path: str, body: Json) -> Json:  # noqa: ARG002 (nothing is sent)
        """The patch, unsent."""
        return body

    def delete(self, path: str, *, uid: str, version: str) -> bool:  # noqa: ARG002 (nothing is sent)
        """Whether it would be deleted."""
        return True


def foretold(api: Api, own_namespace: str) -> Iterator[str]:
    """What `leave` would remove, in its words; nothing is written.  Raises ApiError."""
    rehearsal = Rehearsal(api)
    yield from chain.from_iterable(step(rehearsal) for step in STEPS)
    yield from forget(rehearsal, own_namespace)


def forget(api: Api, own_namespace: str) -> Iterator[str]:
    """Delete what the controllers keep of the registration, last of all: one that still ran would make it again.

    That is the ConfigMap that says whether catflap is registered, and the Secret of the path that reviews come to.
    """
    if where := turn_on(api, own_namespace=own_namespace):
        yield f"ConfigMap {where} removed"
    secret = api.get(webhook_path.path(own_namespace))
    if secret and labelled(secret) and delete(api, webhook_path.path(own_namespace), secret):
        yield f"Secret {own_namespace}/{PATH_SECRET} removed"


def unregister(api: Api) -> Iterator[str]:
    """Delete the webhook configurations, so that nothing waits for us."""
    for phase in PHASES:
        found = api.get(path(phase))
        if found and asks_us_alone(found) and delete(api, path(phase), found):
            yield f"{phase.capitalize()}WebhookConfiguration {WEBHOOK_CONFIGURATION} removed"


def asks_us_alone(found: Json) -> bool:
    """Whether a webhook configuration has no entries but ours."""
    return all(one["name"].endswith(ENTRY_SUFFIX) for one in found.get("webhooks", ()))


def unbind(api: Api) -> Iterator[str]:
    """Delete what the API server judges by itself for us."""
    for kind in reversed(TWINS):
        found = api.get(twin_path(kind))
        if found and labelled(found) and delete(api, twin_path(kind), found):
            yield f"{kind} {ADMISSION_POLICY} removed"


def delete(api: Api, path: str, found: Json) -> bool:
    """Whether an object was deleted as it was found; what was changed meanwhile, the next pass sees anew."""
    try:
        return api.delete(path, uid=found["metadata"]["uid"], version=found["metadata"]["resourceVersion"])
    except ApiError as error:
        if error.status != CONFLICT:
            raise
        return False


def remove_policies(api: Api) -> Iterator[str]:
    """Delete what is ours of every kind that this cluster takes."""
    found = [(kind, one) for kind in WRITTEN_KINDS for one in ours(api, kind)]
    for kind, one in sorted(found, key=lambda pair: pair[1]["metadata"]["name"] == DEFAULT_DENY):
        metadata = one["metadata"]
        space = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        try:
            if remove(api, kind, one):
                yield f"{kind.kind}.{kind.group} {space}{metadata['name']} removed"
        except ApiError as error:
            if error.status != CONFLICT:  # changed meanwhile: the next pass sees it anew
                raise


def remove_reports(api: Api) -> Iterator[str]:
    """Delete our reports, where the cluster takes any."""
    for one in reports.ours(api) if reports.served(api) else ():
        space = one["metadata"].get("namespace", "")
        if reports.remove(api, one):
            yield f"{one['kind']} {space}/{one['metadata']['name']} removed".replace(" /", " ")


def remove_stamps(api: Api) -> Iterator[str]:
    """Take the stamp off every namespace that bears it."""
    found = api.get(NAMESPACES, labelSelector=GUARD_LABEL) or {}
    for one in found.get("items", ()):
        name, uid = one["metadata"]["name"], one["metadata"]["uid"]
        try:
            api.merge(namespace_path(name), {"metadata": {"uid": uid, "labels": {GUARD_LABEL: None}}})
            yield f"Namespace {name} unstamped"
        except ApiError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # it is gone, or made anew: the next pass sees that one
                raise


STEPS: Final[tuple[Callable[[Api], Iterator[str]], ...]] = (
    unregister, unbind, remove_policies, remove_stamps, remove_reports,
)  # fmt: skip
