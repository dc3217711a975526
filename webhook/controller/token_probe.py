"""Probes whether every server accepts the secret path, as the API server would call it."""

from collections.abc import Callable
from http import HTTPStatus

from msgspec.structs import replace

from webhook.controller.path_rotator import ProbeResult, TokenNotAccepted
from webhook.controller.server_probe import ServerAddress, Unreachable, make_ssl_context, resolve_address, send_probe
from webhook.controller.webhook_configurations import MUTATE, VALIDATE, Endpoint
from webhook.kube.api import Api, ApiError
from webhook.kube.serving_endpoints import ready_addresses


class EveryServerProbe:
    """Probes each ready server of a Service, or the one server that answers at a URL.

    `endpoint` returns the address of the servers, and raises Unreachable while it is unknown. `certified` servers
    request the API server's client certificate: that request is their correct answer.
    """

    def __init__(self, api: Api, endpoint: Callable[[], Endpoint], *, certified: bool = False) -> None:
        self._api = api
        self._endpoint = endpoint
        self._certified = certified

    def accept(self, token: str) -> ProbeResult:
        """Verify that the servers accept reviews at a path. Raises TokenNotAccepted, ApiError."""
        late: dict[str, int] = {}
        try:
            endpoint = replace(self._endpoint(), token=token)
            shared, context = resolve_address(self._api, endpoint), make_ssl_context(endpoint)
            each = self._each(endpoint, shared)
            for where in each or (shared,):
                for phase in (VALIDATE, MUTATE):
                    late.update(send_probe(where, context, endpoint, phase, certified=self._certified).late)
        except Unreachable as bad:
            raise TokenNotAccepted(str(bad)) from None
        return ProbeResult(bool(each), late)

    def _each(self, endpoint: Endpoint, shared: ServerAddress) -> tuple[ServerAddress, ...]:
        """Return the address of each ready server; empty if they cannot be told apart."""
        if not endpoint.service:
            return ()
        try:
            found = ready_addresses(self._api, endpoint.namespace, endpoint.service)
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                return ()
            raise
        return tuple(replace(shared, host=host, port=port) for host, port in found)
