"""Store when catflap was installed; what is older keeps running unchanged.

Both install times are stored in two ConfigMaps, one in catflap's namespace and one in kube-system. They survive an uninstall and
the loss of one ConfigMap. Where the two differ, the earlier time counts. A record counts only if its times are possible: a user with
write access to one of the two namespaces could otherwise stop all decisions, or have every namespace isolated.

`installed` is the creation time of the webhook configuration, so no namespace is created between the two. The age of owners is compared
with it. `closing` is the time since which namespaces are isolated: the same time, or the creation time of catflap's oldest policy where
that is earlier, because the controller ran before the registration, or because both ConfigMaps were lost. Every namespace that was
managed until then has the managed label.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from webhook.kube import paths, webhook_configurations
from webhook.kube.api import Api, ApiError
from webhook.kube.namespaces import namespace_path, parse_time
from webhook.kube.policies import own_policies
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import INSTALL_RECORD_CONFIGMAP, MANAGED_BY, MANAGED_BY_LABEL

logger = logging.getLogger(__name__)

TIME = "%Y-%m-%dT%H:%M:%SZ"
TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
CLOCK_SKEW = timedelta(minutes=5)  # between API servers of one cluster, generously
FORBIDDEN = 403
INSTALLED, CLOSING = "installed", "closing"


class InstallTimes(Struct, frozen=True):
    """The time of catflap's registration, and the time since which it isolates namespaces."""

    installed: datetime
    isolation_since: datetime


class TimeRange(Struct, frozen=True):
    """The range of possible install times: not before the creation of the cluster, and not in the future."""

    earliest: datetime | None
    latest: datetime


def parse_install_times(data: Mapping[str, str], span: TimeRange) -> InstallTimes:
    """Return the times of a record; raises ValueError, with the reason, for an impossible one."""
    installed = parse_install_time(data, INSTALLED, span)
    return InstallTimes(installed, parse_install_time(data, CLOSING, span) if CLOSING in data else installed)


def parse_install_time(data: Mapping[str, str], key: str, span: TimeRange) -> datetime:
    """Return one time of a record; raises ValueError."""
    text = data.get(key)
    if text is None:
        raise ValueError(f"it has no key {key}")
    if not TIME_PATTERN.fullmatch(text):
        raise ValueError(f"{key} is {text[:50]!r}, expected a time such as 2026-01-31T12:00:00Z")
    at = parse_time(text)
    if span.earliest is not None and at < span.earliest:
        raise ValueError(f"{key} is {text}, but namespace kube-system was created later, at {span.earliest:{TIME}}")
    if at > span.latest:
        raise ValueError(f"{key} is {text}, which is later than the clock of the API server")
    return at


class InstallRecord:
    """Read the install times, and write them where they are missing; recorded times are read once."""

    def __init__(
        self, api: Api, *, own_namespace: str, on_trouble: Callable[[str, str], None] = lambda _space, _what: None
    ) -> None:
        """Call `on_trouble` with the namespace of each impossible record and the reason in words."""
        self._api = api
        self._namespaces = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._recorded: InstallTimes | None = None
        self._complete = False
        self._bad: set[str] = set()  # the namespaces of impossible records
        self._on_trouble = on_trouble
        self._reported: set[tuple[str, str]] = set()

    def read(self, api: Api) -> InstallTimes | None:
        """Return the recorded times, or the creation time of the registration; None before both.  Raises ApiError.

        `api` limits the time for these requests.
        """
        if self._recorded is None:
            self._recorded = self._oldest_record(api)
        if self._recorded is not None:
            return self._recorded
        created = registration_time(api)
        return InstallTimes(created, created) if created is not None else None

    def record(self) -> InstallTimes | None:
        """Write both records once the webhook is registered; return the times, or None before the registration.

        Raises ApiError.
        """
        if self._complete:
            return self._recorded
        times = self._oldest_record(self._api) or self._first()
        if times is not None:
            written = [self._write(namespace, times) for namespace in self._namespaces]
            self._complete = all(written) and not self._bad
            self._recorded = times
        return times

    def _first(self) -> InstallTimes | None:
        """Return the install times of a cluster without records; None before the registration."""
        created = registration_time(self._api)
        if created is None:
            return None
        oldest = oldest_policy_time(self._api)
        if oldest is None or created <= oldest:
            return InstallTimes(created, created)
        logger.warning(
            "policies of catflap are older than its registration, and ConfigMap %s does not exist: catflap "
            "isolates namespaces that were created since %s, and treats owners of Pods as older if they were "
            "created before %s",
            INSTALL_RECORD_CONFIGMAP, f"{oldest:{TIME}}", f"{created:{TIME}}",
        )  # fmt: skip
        return InstallTimes(created, oldest)

    def _oldest_record(self, api: Api) -> InstallTimes | None:
        """Return the earliest times of the possible records; report each impossible record once."""
        found = {
            space: api.get(paths.under(configmaps_path(space), INSTALL_RECORD_CONFIGMAP)) for space in self._namespaces
        }
        records = {space: one.get("data") or {} for space, one in found.items() if one}
        self._bad = set()
        if not records:
            return None
        span = TimeRange(earliest=cluster_creation_time(api), latest=api.clock() + CLOCK_SKEW)
        sound = []
        for space, data in records.items():
            try:
                sound.append(parse_install_times(data, span))
            except ValueError as bad:
                self._bad.add(space)
                self._report(
                    space,
                    f"ConfigMap {space}/{INSTALL_RECORD_CONFIGMAP} is not valid: {bad}; catflap uses the other "
                    "record, or the creation times in the cluster. Find out who wrote the ConfigMap, then delete "
                    f"it, and the controller writes it again: kubectl -n {space} delete configmap "
                    f"{INSTALL_RECORD_CONFIGMAP}",
                )
        if not sound:
            return None
        return InstallTimes(min(one.installed for one in sound), min(one.isolation_since for one in sound))

    def _report(self, namespace: str, what: str) -> None:
        if (namespace, what) not in self._reported:
            self._reported.add((namespace, what))
            logger.error("%s", what)
            self._on_trouble(namespace, what)

    def _write(self, namespace: str, times: InstallTimes) -> bool:
        """Write one record; return whether it exists now. catflap's own namespace may not exist where a user runs the process."""
        configmap = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": INSTALL_RECORD_CONFIGMAP, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
            "immutable": True,
            "data": {INSTALLED: f"{times.installed:{TIME}}", CLOSING: f"{times.isolation_since:{TIME}}"},
        }
        try:
            self._api.create(configmaps_path(namespace), configmap)
        except ApiError as error:
            if (namespace, "") not in self._reported:
                self._reported.add((namespace, ""))
                logger.warning("cannot store the installation time in namespace %s: %s", namespace, error)
            return False
        return True


def cluster_creation_time(api: Api) -> datetime | None:
    """Return the creation time of kube-system, the oldest namespace; None without the right to read it.  Raises ApiError."""
    try:
        found = api.get(namespace_path("kube-system"))
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        return None
    return parse_time(found["metadata"]["creationTimestamp"]) if found else None


def registration_time(api: Api) -> datetime | None:
    """Return the creation time of the webhook configuration; None where it does not exist.  Raises ApiError."""
    configuration = api.get(webhook_configurations.path("validating"))
    return parse_time(configuration["metadata"]["creationTimestamp"]) if configuration else None


def oldest_policy_time(api: Api) -> datetime | None:
    """Return the creation time of catflap's oldest existing policy; None where none exists.  Raises ApiError."""
    found = [one["metadata"]["creationTimestamp"] for kind in WRITTEN_KINDS for one in own_policies(api, kind)]
    return min(map(parse_time, found), default=None)


def configmaps_path(namespace: str) -> str:
    """Return the path of a namespace's ConfigMaps."""
    return paths.collection("v1", "configmaps", namespace)
