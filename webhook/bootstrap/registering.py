"""How the controller registers catflap: where the API server finds it, and at which secret path."""

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct, structs

from webhook.audit.record import utc_now
from webhook.bootstrap.parts import Common, Parts
from webhook.controller.drift import Drift
from webhook.controller.every_server import EveryServer
from webhook.controller.following import Registered, Wishes
from webhook.controller.path_age import PathAge
from webhook.controller.reaching import Unreachable
from webhook.controller.recording import Recording
from webhook.controller.registration import Endpoint
from webhook.controller.rotating import NoToken, Rotating
from webhook.controller.rotation import Pace
from webhook.controller.servers import usable
from webhook.files import CA_BUNDLE, UnreadableFileError, read_file
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.identity import Acting
from webhook.model.identity import chart_accounts
from webhook.model.reason import Reason
from webhook.server.accepted_tokens import BadTokenFile
from webhook.server.accepted_tokens import read_token_file as read_tokens


class Registering(Struct, frozen=True):
    """How catflap is registered: where it is found, and what else the installer wants.

    `locate` makes the Endpoint of a CA bundle; without it, somebody registers catflap by hand. `pace` is how fast the secret path is
    rotated; `token_file` has a token that an administrator rotates instead.
    """

    locate: Callable[[str], Endpoint] | None = None
    ca: Path | None = None
    wishes: Wishes = Wishes()
    pace: Pace = Pace()
    token_file: Path | None = None

    def endpoint(self) -> Endpoint:
        """Where the API server finds us, by the CA certificate as its file says now.  Raises Unreachable."""
        assert self.locate is not None
        assert self.ca is not None
        try:
            bundle = read_file(self.ca, CA_BUNDLE)
        except UnreadableFileError as bad:
            raise Unreachable(f"the CA certificate is not there yet: {bad}") from bad
        return self.locate(base64.b64encode(bundle).decode("ascii"))


def first_token(path: Path) -> str:
    """The token of a file that is to be registered.  Raises Unreachable."""
    try:
        return read_tokens(path)[0]
    except BadTokenFile as bad:
        raise Unreachable(str(bad)) from None


def make_rotating(  # noqa: PLR0917 (each is of another type)
    common: Common,
    api: Api,
    recording: Recording,
    leads: Callable[[], bool],
    registering: Registering,
    age: PathAge,
) -> Rotating:
    """What keeps the Secret of the path; where catflap is registered by hand or by a file, it keeps what is registered."""

    def written(secret: Json, why: Reason) -> None:
        recording.record(secret, policy_digest="", why=why, verb="update")

    return Rotating(
        api,
        own_namespace=common.own_namespace,
        servers=EveryServer(api, registering.endpoint, certified=registering.wishes.certified),
        leads=leads,
        now=utc_now,
        managed=registering.locate is not None and registering.token_file is None,
        on_write=written,
        on_look=age.show,
        pace=registering.pace,
    )


def with_token(registering: Registering, rotating: Rotating) -> Callable[[], Endpoint]:
    """Where the API server finds us, at the path that is to be registered now.  What it gives raises Unreachable."""

    def endpoint() -> Endpoint:
        found = registering.endpoint()
        if registering.token_file is not None:
            return structs.replace(found, token=first_token(registering.token_file))
        try:
            return structs.replace(found, token=rotating.registered)
        except (NoToken, ApiError) as bad:
            raise Unreachable(str(bad)) from bad

    return endpoint


def registered(  # noqa: PLR0917 (each is of another type)
    common: Common,
    parts: Parts,
    api: Api,
    recording: Recording,
    leads: Callable[[], bool],
    registering: Registering,
    rotating: Rotating,
) -> Registered:
    """What registers catflap and keeps it registered."""
    own, deployment = common.own_namespace, None
    if (found := registering.wishes.replicas) is not None:
        metadata = {"name": found.name, "namespace": found.namespace}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    return Registered(
        api.patient(),
        recording=recording,
        own_namespace=own,
        acting=Acting(chart_accounts(own)),
        drift=Drift(api, metrics=parts.metrics, own_namespace=own, now=utc_now, deployment=deployment),
        now=utc_now,
        endpoint=with_token(registering, rotating) if registering.locate else None,
        wishes=registering.wishes,
        leads=leads,
        reach=partial(usable, certified=registering.wishes.certified),
    )
