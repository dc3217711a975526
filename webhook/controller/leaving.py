"""Leaving a cluster as it was: what we wrote goes, and nothing else."""

from collections.abc import Iterator
from itertools import chain
from time import sleep

from webhook.controller.twinned import is_ours
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.policies import ours, remove
from webhook.kube.registrations import ENTRY_SUFFIX, PHASES, TWINS, path, twin_path
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import DEFAULT_DENY, GUARD_LABEL, TWIN, WEBHOOK_CONFIGURATION

# A controller that is being stopped may yet repair once; nothing may come back between two looks.
PAUSE_SECONDS = 2.0
MOST_PASSES = 30


class Unfinished(Exception):  # noqa: N818 (a state of the cluster)
    """Something of ours comes back, as long as a controller runs; the message says so."""


def leave(api: Api) -> Iterator[str]:
    """Remove our webhook configurations, our policies and our stamps; what is done, in words, as it is done.

    A policy is ours by name, label and field manager; of a namespace's policies the one that closes it goes last.
    Raises ApiError, Unfinished.
    """
    yield from (line for phase in PHASES for line in unregister(api, phase))
    yield from (line for kind in reversed(TWINS) for line in unbind(api, kind))
    for number in range(MOST_PASSES):
        done = False
        for line in chain(remove_policies(api), remove_stamps(api)):
            done = True
            yield line
        if number and not done:
            return
        sleep(PAUSE_SECONDS)
    raise Unfinished("policies come back: a catflap controller still runs; stop it, then try again")


def unregister(api: Api, phase: str) -> Iterator[str]:
    """Delete a webhook configuration, so that nothing waits for us."""
    found = api.get(path(phase))
    if found is None or not all(one["name"].endswith(ENTRY_SUFFIX) for one in found.get("webhooks", ())):
        return
    if api.delete(path(phase), uid=found["metadata"]["uid"], version=found["metadata"]["resourceVersion"]):
        yield f"{phase.capitalize()}WebhookConfiguration {WEBHOOK_CONFIGURATION} removed"


def unbind(api: Api, kind: str) -> Iterator[str]:
    """Delete what the API server judges by itself for us."""
    found = api.get(twin_path(kind))
    if found is None or not is_ours(found):
        return
    if api.delete(twin_path(kind), uid=found["metadata"]["uid"], version=found["metadata"]["resourceVersion"]):
        yield f"{kind} {TWIN} removed"


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


def remove_stamps(api: Api) -> Iterator[str]:
    """Take the stamp off every namespace that bears it."""
    found = api.get(NAMESPACES, labelSelector=GUARD_LABEL) or {}
    for one in found.get("items", ()):
        name, uid = one["metadata"]["name"], one["metadata"]["uid"]
        try:
            api.merge(f"{NAMESPACES}/{name}", {"metadata": {"uid": uid, "labels": {GUARD_LABEL: None}}})
            yield f"Namespace {name} unstamped"
        except ApiError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # it is gone, or made anew: the next pass sees that one
                raise
