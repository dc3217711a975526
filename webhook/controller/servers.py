"""The servers as the controller sees them: where they are to be asked, whether they answer there, and as whom they act."""

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from webhook.controller.addressing import endpoint_of
from webhook.controller.reaching import Replicas, Unreachable, enough_ready, reach
from webhook.controller.registration import Endpoint
from webhook.kube.api import Api, ApiError, Json

logger = logging.getLogger(__name__)

# How long the servers' account is believed to be known, and how soon they are asked again where they did not answer.
KNOWN_SECONDS: Final = 600.0
AGAIN_SECONDS: Final = 60.0

Reach = Callable[[Api, Endpoint, Replicas | None], str]


def usable(api: Api, endpoint: Endpoint, replicas: Replicas | None, *, certified: bool = False) -> str:
    """The user name of a server that answers at an endpoint, of which enough replicas are ready.

    `certified` servers ask for a client certificate.  Raises Unreachable.
    """
    try:
        if replicas is not None:
            enough_ready(api, replicas)
        return reach(api, endpoint, certified=certified)
    except ApiError as error:
        raise Unreachable(str(error)) from error


class Servers:
    """`endpoint` says where the API server is to find them; without it, that is as somebody registered it by hand."""

    def __init__(
        self,
        api: Api,
        endpoint: Callable[[], Endpoint] | None,
        *,
        replicas: Replicas | None,
        own_namespace: str,
        reach: Reach = usable,
    ) -> None:
        self.account = ""
        self._api = api
        self._endpoint = endpoint
        self._replicas = replicas
        self._own_namespace = own_namespace
        self._reach = reach
        self._heard = float("-inf")

    def checked(self, stored: Mapping[str, Json], *, urgent: bool) -> Endpoint | None:
        """Where the API server is to find them, tried where that is new or `urgent`; None where it is registered by hand.

        Raises Unreachable where it must not be registered so.
        """
        if self._endpoint is None:
            return None
        endpoint = self._endpoint()
        elsewhere = any(endpoint_of(found, self._own_namespace) != endpoint for found in stored.values())
        if urgent or elsewhere:
            self._hear(self._reach(self._api, endpoint, self._replicas))
        else:
            self._learn_account(endpoint)
        return endpoint

    def as_stored(self, stored: Mapping[str, Json]) -> Endpoint | None:
        """Where the API server finds them by what is registered; None where nothing is."""
        found = next(iter(stored.values()), None)
        endpoint = endpoint_of(found, self._own_namespace) if found else None
        if endpoint is not None:
            self._learn_account(endpoint)
        return endpoint

    def _learn_account(self, endpoint: Endpoint) -> None:
        if monotonic() - self._heard <= KNOWN_SECONDS:
            return
        try:
            self._hear(self._reach(self._api, endpoint, None))
        except Unreachable as bad:
            self._heard = monotonic() - KNOWN_SECONDS + AGAIN_SECONDS
            logger.info("the servers' account is not known: %s", bad)

    def _hear(self, account: str) -> None:
        self.account, self._heard = account, monotonic()
