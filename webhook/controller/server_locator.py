"""Locates the servers for the controller: their address, whether they answer there, and their account."""

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from webhook.controller.server_probe import RequiredReplicas, Unreachable, check_ready_replicas, probe_endpoint
from webhook.controller.stored_endpoint import stored_endpoint
from webhook.controller.webhook_configurations import Endpoint
from webhook.kube.api import Api, ApiError, Json

logger = logging.getLogger(__name__)

# How long the servers' account is cached, and how soon a failed probe is repeated.
KNOWN_SECONDS: Final = 600.0
RETRY_SECONDS: Final = 60.0

Probe = Callable[[Api, Endpoint, RequiredReplicas | None], str]


def probe_servers(api: Api, endpoint: Endpoint, replicas: RequiredReplicas | None, *, certified: bool = False) -> str:
    """Return the user name of a server at an endpoint, after checking that enough replicas are ready.

    `certified` servers request a client certificate. Raises Unreachable.
    """
    try:
        if replicas is not None:
            check_ready_replicas(api, replicas)
        return probe_endpoint(api, endpoint, certified=certified)
    except ApiError as error:
        raise Unreachable(str(error)) from error


class ServerLocator:
    """Finds the servers; `endpoint` returns their address, and without it the address is the one registered by hand."""

    def __init__(
        self,
        api: Api,
        endpoint: Callable[[], Endpoint] | None,
        *,
        replicas: RequiredReplicas | None,
        own_namespace: str,
        probe: Probe = probe_servers,
    ) -> None:
        self.account = ""
        self._api = api
        self._endpoint = endpoint
        self._replicas = replicas
        self._own_namespace = own_namespace
        self._probe = probe
        self._account_known_at = float("-inf")

    def verified_endpoint(self, stored: Mapping[str, Json], *, urgent: bool) -> Endpoint | None:
        """Return the address to register, probed if it is new or `urgent`; None if catflap is registered by hand.

        Raises Unreachable if the address must not be registered.
        """
        if self._endpoint is None:
            return None
        endpoint = self._endpoint()
        elsewhere = any(stored_endpoint(found, self._own_namespace) != endpoint for found in stored.values())
        if urgent or elsewhere:
            self._set_account(self._probe(self._api, endpoint, self._replicas))
        else:
            self._learn_account(endpoint)
        return endpoint

    def registered_endpoint(self, stored: Mapping[str, Json]) -> Endpoint | None:
        """Return the address that is registered; None if there is none."""
        found = next(iter(stored.values()), None)
        endpoint = stored_endpoint(found, self._own_namespace) if found else None
        if endpoint is not None:
            self._learn_account(endpoint)
        return endpoint

    def _learn_account(self, endpoint: Endpoint) -> None:
        if monotonic() - self._account_known_at <= KNOWN_SECONDS:
            return
        try:
            self._set_account(self._probe(self._api, endpoint, None))
        except Unreachable as error:
            self._account_known_at = monotonic() - KNOWN_SECONDS + RETRY_SECONDS
            logger.info("cannot read the account of the servers: %s", error)

    def _set_account(self, account: str) -> None:
        self.account, self._account_known_at = account, monotonic()
