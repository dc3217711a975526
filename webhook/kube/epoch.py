"""When catflap was installed: what is older keeps running as it was.

Two moments stand in two ConfigMaps, one beside catflap and one in kube-system, so that neither an uninstall nor the loss
of one of them moves them; of two that differ the older counts. `installed` is the creation of the webhook configuration, so
no namespace is born between the registration and it; owners are measured by it. `closing` is since when namespaces are
closed: the same, or the age of our oldest policy where that is greater, because the controller ran before it was
registered, or because both ConfigMaps were lost. Every namespace that was guarded until then bears our stamp.
"""

import logging
from datetime import datetime

from msgspec import Struct

from webhook.kube import paths, registrations
from webhook.kube.api import Api, ApiError
from webhook.kube.namespaces import parse_time
from webhook.kube.policies import ours
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import EPOCH_CONFIGMAP, MANAGED_BY, MANAGED_BY_LABEL

logger = logging.getLogger(__name__)

TIME = "%Y-%m-%dT%H:%M:%SZ"
INSTALLED, CLOSING = "installed", "closing"


class Moments(Struct, frozen=True):
    """Since when catflap is registered, and since when it closes namespaces."""

    installed: datetime
    closing: datetime


class Epoch:
    """Reads the epoch, and records it where it is missing; a recorded one is read once."""

    def __init__(self, api: Api, *, own_namespace: str) -> None:
        self._api = api
        self._namespaces = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._recorded: Moments | None = None
        self._complete = False
        self._reported: set[str] = set()

    def read(self, api: Api) -> Moments | None:
        """The recorded epoch, else the registration's creation; None before both.  Raises ApiError.

        `api` is the one to ask through, for its budget.
        """
        if self._recorded is None:
            self._recorded = self._oldest_record(api)
        if self._recorded is not None:
            return self._recorded
        created = registered(api)
        return Moments(created, created) if created is not None else None

    def record(self) -> Moments | None:
        """Write the epoch into both places once the webhook is registered; the epoch then, or None before that.

        Raises ApiError.
        """
        if self._complete:
            return self._recorded
        epoch = self._oldest_record(self._api) or self._first()
        if epoch is not None:
            written = [self._write(namespace, epoch) for namespace in self._namespaces]
            self._complete = all(written)
            self._recorded = epoch
        return epoch

    def _first(self) -> Moments | None:
        """The epoch of what nothing is on record of; None before the registration."""
        created = registered(self._api)
        if created is None:
            return None
        oldest = oldest_policy(self._api)
        if oldest is None or created <= oldest:
            return Moments(created, created)
        logger.warning(
            "policies of catflap's own are older than its registration, and no ConfigMap %s says why: "
            "namespaces count as closed since %s, owners of Pods as older before %s",
            EPOCH_CONFIGMAP, f"{oldest:{TIME}}", f"{created:{TIME}}",
        )  # fmt: skip
        return Moments(created, oldest)

    def _oldest_record(self, api: Api) -> Moments | None:
        found = [api.get(paths.under(path(namespace), EPOCH_CONFIGMAP)) for namespace in self._namespaces]
        records = [one["data"] for one in found if one and INSTALLED in (one.get("data") or {})]
        if not records:
            return None
        installed = min(parse_time(one[INSTALLED]) for one in records)
        return Moments(installed, min(parse_time(one.get(CLOSING, one[INSTALLED])) for one in records))

    def _write(self, namespace: str, epoch: Moments) -> bool:
        """Whether the record stands in a namespace now; catflap's own may not be there where a person runs it."""
        configmap = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": EPOCH_CONFIGMAP, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
            "immutable": True,
            "data": {INSTALLED: f"{epoch.installed:{TIME}}", CLOSING: f"{epoch.closing:{TIME}}"},
        }
        try:
            self._api.create(path(namespace), configmap)
        except ApiError as error:
            if namespace not in self._reported:
                self._reported.add(namespace)
                logger.warning("the epoch cannot be recorded in namespace %s: %s", namespace, error)
            return False
        return True


def registered(api: Api) -> datetime | None:
    """When the webhook was registered; None where it is not.  Raises ApiError."""
    configuration = api.get(registrations.path("validating"))
    return parse_time(configuration["metadata"]["creationTimestamp"]) if configuration else None


def oldest_policy(api: Api) -> datetime | None:
    """When the oldest policy of ours that stands was written; None where none does.  Raises ApiError."""
    found = [one["metadata"]["creationTimestamp"] for kind in WRITTEN_KINDS for one in ours(api, kind)]
    return min(map(parse_time, found), default=None)


def path(namespace: str) -> str:
    """Where a namespace's ConfigMaps are."""
    return paths.collection("v1", "configmaps", namespace)
