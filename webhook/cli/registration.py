"""`catflap registration`: the webhook configurations, printed."""

import base64
from pathlib import Path
from urllib.parse import urlsplit

import click

from webhook.cli._options import complain, load_policy, policy_file
from webhook.cli._yaml import manifests
from webhook.controller.registration import HTTPS, Endpoint, registration
from webhook.model.fields import HIGHEST_PORT
from webhook.model.names import DEFAULT_NAMESPACE


@click.command("registration")
@policy_file
@click.option("--url", metavar="https://HOST:PORT", help="Where the server is reached by address.")
@click.option(
    "--service",
    metavar="NS/NAME[:PORT]",
    help="The Service through which the server is reached; by default its port 443.",
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
    help="The CA certificate that signed the server's.",
)  # fmt: skip
def verb(policy: Path, url: str | None, service: str | None, ca: Path) -> None:
    """Print the webhook configurations that fit a policy file, for kubectl apply."""
    if (url is None) == (service is None):
        complain(["give either --url or --service"])
    bundle = base64.b64encode(ca.read_bytes()).decode("ascii")
    endpoint = by_url(url, bundle) if url is not None else by_service(service or "", bundle)
    loaded = load_policy(policy)
    click.echo(manifests(registration(loaded.policy, endpoint)), nl=False)


def by_url(url: str, bundle: str) -> Endpoint:
    """The endpoint at an address."""
    try:
        parts = urlsplit(url)
        port_or_none = parts.port  # reading it raises ValueError for what is no port
    except ValueError:
        complain([f"--url {url}: write https://HOST:PORT"])
    extras = parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not parts.hostname or extras or port_or_none == 0:
        complain([f"--url {url}: write https://HOST:PORT"])
    return Endpoint(ca_bundle=bundle, namespace=DEFAULT_NAMESPACE, url=url.rstrip("/"))


def by_service(service: str, bundle: str) -> Endpoint:
    """The endpoint behind a Service."""
    namespace, slash, rest = service.partition("/")
    name, colon, port = rest.partition(":")
    is_port = not colon or (port.isdecimal() and 0 < int(port) <= HIGHEST_PORT)
    if not (namespace and slash and name) or "/" in name or not is_port:
        complain([f"--service {service}: write NAMESPACE/NAME or NAMESPACE/NAME:PORT"])
    return Endpoint(ca_bundle=bundle, namespace=namespace, service=name, port=int(port or HTTPS))
