"""Builds the registration of the controller: the address of the servers, and the secret path."""

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct, structs

from webhook.audit.record import utc_now
from webhook.bootstrap.parts import ProcessOptions, ProcessParts
from webhook.controller.path_age import PathAgeReporter
from webhook.controller.path_rotation import RotationSchedule
from webhook.controller.path_rotator import PathRotator, TokenUnavailable
from webhook.controller.registration_status import RegistrationStatus
from webhook.controller.server_locator import probe_servers
from webhook.controller.server_probe import Unreachable
from webhook.controller.token_probe import EveryServerProbe
from webhook.controller.webhook_config_sync import RegistrationOptions, WebhookConfigSync
from webhook.controller.webhook_configurations import Endpoint
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.identity import ProcessIdentity
from webhook.model.identity import chart_accounts
from webhook.model.reason import Reason
from webhook.server.accepted_tokens import BadTokenFile
from webhook.server.accepted_tokens import read_token_file as read_tokens
from webhook.tls.authority_file import read_authority
from webhook.tls.certificate_folder import BadCertificateError


class RegistrationSetup(Struct, frozen=True):
    """How catflap is registered: the address of the servers, and the installer's options.

    `locate` makes the Endpoint from a CA bundle. Without it, an administrator registers catflap by hand. `schedule`
    has the times of the rotation of the secret path. `token_file` has a token that an administrator rotates instead.
    """

    locate: Callable[[str], Endpoint] | None = None
    ca: Path | None = None
    options: RegistrationOptions = RegistrationOptions()
    schedule: RotationSchedule = RotationSchedule()
    token_file: Path | None = None

    def endpoint(self) -> Endpoint:
        """Return the address of the servers, with the current contents of the CA file. Raises Unreachable."""
        assert self.locate is not None
        assert self.ca is not None
        try:
            bundle = read_authority(self.ca)
        except BadCertificateError as bad:
            raise Unreachable(f"there is no CA certificate yet: {bad}") from bad
        return self.locate(base64.b64encode(bundle).decode("ascii"))


def first_token(path: Path) -> str:
    """Return the token to register from a file. Raises Unreachable."""
    try:
        return read_tokens(path)[0]
    except BadTokenFile as bad:
        raise Unreachable(str(bad)) from None


def make_path_rotator(  # noqa: PLR0917 (each is of another type)
    options: ProcessOptions,
    api: Api,
    recorder: WriteRecorder,
    is_leader: Callable[[], bool],
    registering: RegistrationSetup,
    age: PathAgeReporter,
) -> PathRotator:
    """Return what maintains the Secret of the path; if catflap is registered by hand or with a token file, it does not rotate."""

    def written(secret: Json, why: Reason) -> None:
        recorder.record(secret, policy_digest="", why=why, verb="update")

    return PathRotator(
        api,
        own_namespace=options.own_namespace,
        servers=EveryServerProbe(api, registering.endpoint, certified=registering.options.certified),
        is_leader=is_leader,
        now=utc_now,
        managed=registering.locate is not None and registering.token_file is None,
        on_write=written,
        on_probe=age.report,
        schedule=registering.schedule,
    )


def tokened_endpoint(registering: RegistrationSetup, rotator: PathRotator) -> Callable[[], Endpoint]:
    """Return a function that returns the address with the current path; it raises Unreachable."""

    def endpoint() -> Endpoint:
        found = registering.endpoint()
        if registering.token_file is not None:
            return structs.replace(found, token=first_token(registering.token_file))
        try:
            return structs.replace(found, token=rotator.registered)
        except (TokenUnavailable, ApiError) as bad:
            raise Unreachable(str(bad)) from bad

    return endpoint


def make_webhook_config_sync(  # noqa: PLR0917 (each is of another type)
    options: ProcessOptions,
    parts: ProcessParts,
    api: Api,
    recorder: WriteRecorder,
    is_leader: Callable[[], bool],
    registering: RegistrationSetup,
    rotator: PathRotator,
) -> WebhookConfigSync:
    """Return what registers catflap and keeps it registered."""
    own, deployment = options.own_namespace, None
    if (found := registering.options.replicas) is not None:
        metadata = {"name": found.name, "namespace": found.namespace}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    return WebhookConfigSync(
        api.with_long_timeout(),
        recorder=recorder,
        own_namespace=own,
        acting=ProcessIdentity(chart_accounts(own)),
        status=RegistrationStatus(api, metrics=parts.metrics, own_namespace=own, now=utc_now, deployment=deployment),
        now=utc_now,
        endpoint=tokened_endpoint(registering, rotator) if registering.locate else None,
        options=registering.options,
        is_leader=is_leader,
        probe=partial(probe_servers, certified=registering.options.certified),
    )
