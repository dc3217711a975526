"""The options of `controller` and `registration` that say where the API server finds the server."""

import re
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click

from webhook.bootstrap.registration import RegistrationSetup
from webhook.cli._choices import NumberType
from webhook.cli._names import is_host, is_port, parse_labels
from webhook.cli._options import FILE, exit_with_errors
from webhook.controller.path_rotation import PERIOD_SECONDS, RotationSchedule
from webhook.controller.server_probe import RequiredReplicas
from webhook.controller.webhook_config_sync import RegistrationOptions
from webhook.controller.webhook_configurations import HTTPS, Endpoint
from webhook.model.fields import DNS_LABEL, label_value
from webhook.model.names import DEFAULT_NAMESPACE
from webhook.server.accepted_tokens import BadTokenFile, read_token_file

Function = TypeVar("Function", bound=Callable[..., Any])

DEPLOYMENT: Final = re.compile(r"([a-z0-9.-]+)/([a-z0-9.-]+):([1-9][0-9]*)")


def endpoint_options(function: Function) -> Function:
    """Add `--url`, `--service` and `--ca`."""
    options = (
        click.option("--url", metavar="https://HOST:PORT", help="The URL of the server: https://HOST:PORT."),
        click.option(
            "--service",
            metavar="NS/NAME[:PORT]",
            help="The Service of the server; the default port is 443.",
        ),
        click.option(
            "--ca", type=FILE, metavar="FILE",
            help="The CA certificate that signed the certificate of the server, in PEM.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def token_file_option(function: Function) -> Function:
    """Add `--path-token-file` to a verb that registers."""
    return click.option(
        "--path-token-file", type=FILE, metavar="FILE",
        help="Register the path with the first token of this file (one per line), as for serve --path-token-file.",
    )(function)  # fmt: skip


def check_token_file(path: Path) -> str:
    """Return the first token of a file; end the command if there is none."""
    try:
        return read_token_file(path)[0]
    except BadTokenFile as bad:
        exit_with_errors([str(bad)])


# The options for the registration by the controller.
OPTIONS: Final = (
    endpoint_options,
    click.option(
        "--server-deployment", metavar="NS/NAME:REPLICAS",
        help="Register only when this number of replicas of the Deployment of the servers is ready.",
    ),
    click.option(
        "--client-certificates", is_flag=True,
        help="The servers run with --client-ca: a request for the client certificate of the API server counts as "
             "an answer.",
    ),
    token_file_option,
    click.option(
        "--path-rotation", type=NumberType("SECONDS", 1.0, "600"), default=PERIOD_SECONDS, show_default=True,
        help="How long a secret path stays registered; the servers accept the previous path for two fifths of that "
             "time.",
    ),
    click.option(
        "--registration-label", multiple=True, metavar="KEY=VALUE", help="A label of both webhook configurations."
    ),
    click.option(
        "--registration-annotation", multiple=True, metavar="KEY=VALUE",
        help="An annotation of both webhook configurations.",
    ),
)  # fmt: skip


def registration_options(function: Function) -> Function:
    """Add the options for the registration by the controller, joined as `registering`."""

    @wraps(function)
    def joined(  # noqa: PLR0917 (click calls it by name)
        url: str | None,
        service: str | None,
        ca: Path | None,
        server_deployment: str | None,
        registration_label: tuple[str, ...],
        registration_annotation: tuple[str, ...],
        client_certificates: bool,
        path_token_file: Path | None,
        path_rotation: float,
        **others: Any,
    ) -> Any:
        options = RegistrationOptions(
            replicas=None if server_deployment is None else parse_deployment(server_deployment),
            labels=parse_labels("--registration-label", registration_label, value=label_value_or_empty),
            annotations=parse_labels("--registration-annotation", registration_annotation),
            certified=client_certificates,
        )
        if url is None and service is None:
            if ca is not None:
                exit_with_errors(["--ca has an effect only with --url or --service"])
            return function(
                registering=RegistrationSetup(options=options, schedule=RotationSchedule(path_rotation)), **others
            )
        if ca is None:
            exit_with_errors(
                ["--url and --service need the CA certificate that the API server must trust: add --ca FILE"]
            )
        if path_token_file is not None:
            check_token_file(path_token_file)
        found = RegistrationSetup(
            endpoint_factory(url, service), ca, options, RotationSchedule(path_rotation), path_token_file
        )
        return function(registering=found, **others)

    decorated: Any = joined
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def endpoint_factory(url: str | None, service: str | None) -> Callable[[str], Endpoint]:
    """Return what makes the endpoint from a CA bundle; end the command unless exactly one option is given."""
    if (url is None) == (service is None):
        exit_with_errors(["pass either --url or --service"])
    if url is not None:
        url_endpoint(url, "")  # a bad URL ends the command here
        return partial(url_endpoint, url)
    service_endpoint(service or "", "")
    return partial(service_endpoint, service or "")


def parse_deployment(text: str) -> RequiredReplicas:
    """Return the servers' Deployment, and how many of its replicas must be ready."""
    if (found := DEPLOYMENT.fullmatch(text)) is None:
        exit_with_errors(
            [
                f"--server-deployment {text or repr(text)}: write NAMESPACE/NAME:REPLICAS, such as catflap-system/catflap:2"
            ]
        )
    return RequiredReplicas(found[1], found[2], required=int(found[3]))


def label_value_or_empty(text: str) -> str:
    """Return a label value as Kubernetes accepts it; raises ValueError otherwise."""
    return text and label_value(text)


def url_endpoint(url: str, bundle: str) -> Endpoint:
    """Return the endpoint at an address."""
    try:
        parts = urlsplit(url)
        port_or_none = parts.port  # raises ValueError if it is not a port
    except ValueError:
        exit_with_errors([f"--url {url or repr(url)}: write https://HOST:PORT"])
    extras = parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not is_host(parts.hostname or "") or extras or port_or_none == 0 or not url.isascii():
        exit_with_errors([f"--url {url or repr(url)}: write https://HOST:PORT"])
    return Endpoint(ca_bundle=bundle, namespace=DEFAULT_NAMESPACE, url=url.rstrip("/"))


def service_endpoint(service: str, bundle: str) -> Endpoint:
    """Return the endpoint of a Service."""
    namespace, slash, rest = service.partition("/")
    name, colon, port = rest.partition(":")
    is_valid = slash and DNS_LABEL.fullmatch(namespace) and DNS_LABEL.fullmatch(name)
    if not is_valid or (colon and not is_port(port)):
        exit_with_errors([f"--service {service or repr(service)}: write NAMESPACE/NAME or NAMESPACE/NAME:PORT"])
    return Endpoint(ca_bundle=bundle, namespace=namespace, service=name, port=int(port or HTTPS))
