"""When catflap was installed: what is older keeps running as it was.

The moment stands in two ConfigMaps, one beside catflap and one in kube-system, so that neither an uninstall nor the
loss of one of them moves it; of two that differ the older one counts. It is the creation of the webhook configuration,
so no namespace is born between the registration and the epoch.

Where both are gone and something shows that catflap was here before that configuration, the moment is lost: a later one
would leave open what was closed, so nothing is decided by it until a person says when it was.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from webhook.kube.api import Api, ApiError
from webhook.kube.namespaces import parse_time
from webhook.kube.policies import collection, is_ours
from webhook.model.kinds import WRITTEN_KINDS
from webhook.model.names import EPOCH_CONFIGMAP, MANAGED_BY, MANAGED_BY_LABEL, WEBHOOK_CONFIGURATION

logger = logging.getLogger(__name__)

KEY = "installed"
TIME = "%Y-%m-%dT%H:%M:%SZ"
CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{WEBHOOK_CONFIGURATION}"


Sign = Callable[[], datetime | None]


class EpochLost(Exception):  # noqa: N818 (a state of the cluster)
    """It was recorded once, and is so no longer; the message says how to mend it."""


class Epoch:
    """Reads the epoch, and records it where it is missing; a recorded one is read once."""

    def __init__(self, api: Api, *, own_namespace: str) -> None:
        self._api = api
        self._namespaces = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._recorded: datetime | None = None
        self._complete = False
        self._reported: set[str] = set()

    def read(self, api: Api, *, sign: Sign = lambda: None) -> datetime | None:
        """The recorded epoch, else the registration's creation; None before both.  Raises ApiError, EpochLost.

        `api` is the one to ask through, for its budget; `sign` is the oldest sign of us that the caller knows of.
        """
        if self._recorded is None:
            self._recorded = self._oldest_record(api)
        return self._recorded or since_registration(api, sign)

    def record(self) -> datetime | None:
        """Write the epoch into both places once the webhook is registered; the epoch then, or None before that.

        Raises ApiError, EpochLost.
        """
        if self._complete:
            return self._recorded
        epoch = self._oldest_record(self._api) or since_registration(self._api, self._oldest_policy)
        if epoch is not None:
            written = [self._write(namespace, epoch) for namespace in self._namespaces]
            self._complete = all(written)
            self._recorded = epoch
        return epoch

    def _oldest_policy(self) -> datetime | None:
        """When the oldest policy of ours was written, of those that stand."""
        times = []
        for kind in WRITTEN_KINDS:
            found = self._api.get(collection(kind), labelSelector=f"{MANAGED_BY_LABEL}={MANAGED_BY}") or {}
            times += [
                parse_time(one["metadata"]["creationTimestamp"]) for one in found.get("items", ()) if is_ours(one)
            ]
        return min(times, default=None)

    def _oldest_record(self, api: Api) -> datetime | None:
        found = [api.get(f"{path(namespace)}/{EPOCH_CONFIGMAP}") for namespace in self._namespaces]
        times = [parse_time(text) for one in found if one and (text := (one.get("data") or {}).get(KEY))]
        return min(times, default=None)

    def _write(self, namespace: str, epoch: datetime) -> bool:
        """Whether the record stands in a namespace now; catflap's own may not be there where a person runs it."""
        configmap = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": EPOCH_CONFIGMAP, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
            "immutable": True,
            "data": {KEY: f"{epoch:{TIME}}"},
        }
        try:
            self._api.create(path(namespace), configmap)
        except ApiError as error:
            if namespace not in self._reported:
                self._reported.add(namespace)
                logger.warning("the epoch cannot be recorded in namespace %s: %s", namespace, error)
            return False
        return True


def since_registration(api: Api, sign: Sign) -> datetime | None:
    """The registration's creation, unless a sign of us is older.  Raises ApiError, EpochLost."""
    epoch = registered(api)
    if epoch is not None and (older := sign()) is not None and older < epoch:
        raise EpochLost(
            f"nothing says since when namespaces are guarded: the ConfigMaps {EPOCH_CONFIGMAP} are gone, and catflap was "
            f"here at {older:{TIME}}, before its present registration; say when it came: kubectl -n kube-system "
            f"create configmap {EPOCH_CONFIGMAP} --from-literal={KEY}={older:{TIME}}"
        )
    return epoch


def registered(api: Api) -> datetime | None:
    """When the webhook was registered; None where it is not.  Raises ApiError."""
    configuration = api.get(CONFIGURATION)
    return parse_time(configuration["metadata"]["creationTimestamp"]) if configuration else None


def path(namespace: str) -> str:
    """The ConfigMaps of a namespace."""
    return f"/api/v1/namespaces/{namespace}/configmaps"
