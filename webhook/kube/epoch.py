"""When catflap was installed: what is older keeps running as it was.

Two moments stand in two ConfigMaps, one beside catflap and one in kube-system, so that neither an uninstall nor the loss
of one of them moves them; of two that differ the older counts. A record counts only if it can be true: whoever may write in one
of the two namespaces could else keep catflap from deciding anything, or have every namespace isolated. `installed` is the creation of the webhook configuration, so
no namespace is born between the registration and it; owners are measured by it. `closing` is since when namespaces are
closed: the same, or the age of our oldest policy where that is greater, because the controller ran before it was
registered, or because both ConfigMaps were lost. Every namespace that was guarded until then bears our stamp.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from webhook.kube import paths, registrations
from webhook.kube.api import Api, ApiError
from webhook.kube.namespaces import parse_time
from webhook.kube.namespaces import path as namespace_path
from webhook.kube.policies import ours
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import INSTALL_RECORD_CONFIGMAP, MANAGED_BY, MANAGED_BY_LABEL

logger = logging.getLogger(__name__)

TIME = "%Y-%m-%dT%H:%M:%SZ"
RECORDED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
CLOCK_SKEW = timedelta(minutes=5)  # between API servers of one cluster, generously
FORBIDDEN = 403
INSTALLED, CLOSING = "installed", "closing"


class Moments(Struct, frozen=True):
    """Since when catflap is registered, and since when it closes namespaces."""

    installed: datetime
    closing: datetime


class Span(Struct, frozen=True):
    """Between which moments catflap can have been installed: not before the cluster was, and not in the future."""

    earliest: datetime | None
    latest: datetime


def moments(data: Mapping[str, str], span: Span) -> Moments:
    """A record's moments; raises ValueError, with what is wrong, for one that cannot be true."""
    installed = moment(data, INSTALLED, span)
    return Moments(installed, moment(data, CLOSING, span) if CLOSING in data else installed)


def moment(data: Mapping[str, str], key: str, span: Span) -> datetime:
    """One of a record's moments; raises ValueError."""
    text = data.get(key)
    if text is None:
        raise ValueError(f"it has no key {key}")
    if not RECORDED.fullmatch(text):
        raise ValueError(f"{key} is {text[:50]!r}, expected a time such as 2026-01-31T12:00:00Z")
    at = parse_time(text)
    if span.earliest is not None and at < span.earliest:
        raise ValueError(f"{key} is {text}, and namespace kube-system was made later, at {span.earliest:{TIME}}")
    if at > span.latest:
        raise ValueError(f"{key} is {text}, which is in the future of the API server")
    return at


class Epoch:
    """Reads the epoch, and records it where it is missing; a recorded one is read once."""

    def __init__(
        self, api: Api, *, own_namespace: str, on_trouble: Callable[[str, str], None] = lambda _space, _what: None
    ) -> None:
        """`on_trouble` is called with the namespace of a record that cannot be true, and with what is wrong, in words."""
        self._api = api
        self._namespaces = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._recorded: Moments | None = None
        self._complete = False
        self._bad: set[str] = set()  # where a record stands that cannot be true
        self._on_trouble = on_trouble
        self._reported: set[tuple[str, str]] = set()

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
            self._complete = all(written) and not self._bad
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
            INSTALL_RECORD_CONFIGMAP, f"{oldest:{TIME}}", f"{created:{TIME}}",
        )  # fmt: skip
        return Moments(created, oldest)

    def _oldest_record(self, api: Api) -> Moments | None:
        """The earlier moments of those records that can be true; each other one is reported once."""
        found = {space: api.get(paths.under(path(space), INSTALL_RECORD_CONFIGMAP)) for space in self._namespaces}
        records = {space: one.get("data") or {} for space, one in found.items() if one}
        self._bad = set()
        if not records:
            return None
        span = Span(earliest=cluster_made(api), latest=api.clock() + CLOCK_SKEW)
        sound = []
        for space, data in records.items():
            try:
                sound.append(moments(data, span))
            except ValueError as bad:
                self._bad.add(space)
                self._report(
                    space,
                    f"ConfigMap {space}/{INSTALL_RECORD_CONFIGMAP} is not believed: {bad}; the other record counts, or what the cluster shows. "
                    f"Find out who wrote it, then delete it, and the controller writes it again: kubectl -n {space} delete configmap {INSTALL_RECORD_CONFIGMAP}",
                )
        if not sound:
            return None
        return Moments(min(one.installed for one in sound), min(one.closing for one in sound))

    def _report(self, namespace: str, what: str) -> None:
        if (namespace, what) not in self._reported:
            self._reported.add((namespace, what))
            logger.error("%s", what)
            self._on_trouble(namespace, what)

    def _write(self, namespace: str, epoch: Moments) -> bool:
        """Whether the record stands in a namespace now; catflap's own may not be there where a person runs it."""
        configmap = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": INSTALL_RECORD_CONFIGMAP, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
            "immutable": True,
            "data": {INSTALLED: f"{epoch.installed:{TIME}}", CLOSING: f"{epoch.closing:{TIME}}"},
        }
        try:
            self._api.create(path(namespace), configmap)
        except ApiError as error:
            if (namespace, "") not in self._reported:
                self._reported.add((namespace, ""))
                logger.warning("the epoch cannot be recorded in namespace %s: %s", namespace, error)
            return False
        return True


def cluster_made(api: Api) -> datetime | None:
    """When the cluster was made, by its oldest namespace; None where that may not be looked at.  Raises ApiError."""
    try:
        found = api.get(namespace_path("kube-system"))
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        return None
    return parse_time(found["metadata"]["creationTimestamp"]) if found else None


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
