"""Reads the address of the servers from a stored webhook configuration."""

import re
from typing import Final

from webhook.controller.webhook_configurations import HTTPS, MUTATE, VALIDATE, Endpoint
from webhook.kube.api import Json
from webhook.model.names import ENTRY_SUFFIX

# The path of a phase, and the token that follows it.
PHASE_PATH: Final = re.compile(f"(?:{VALIDATE}|{MUTATE})(?:/([^/]+))?$")


def stored_endpoint(configuration: Json, own_namespace: str) -> Endpoint | None:
    """Return the endpoint of catflap's first entry in a webhook configuration; None if there is no complete one."""
    entries = configuration.get("webhooks") or ()
    config = next((one.get("clientConfig") or {} for one in entries if one["name"].endswith(ENTRY_SUFFIX)), {})
    bundle = config.get("caBundle", "")
    if "url" in config:
        url, token = split_path(config["url"])
        return Endpoint(ca_bundle=bundle, namespace=own_namespace, url=url, token=token)
    if not (service := config.get("service")):
        return None
    return Endpoint(
        ca_bundle=bundle,
        namespace=service["namespace"],
        service=service["name"],
        port=service.get("port", HTTPS),
        token=split_path(service.get("path", ""))[1],
    )


def split_path(where: str) -> tuple[str, str]:
    """Return the part of an address before the path of a phase, and the token after it; the token may be empty."""
    before, *token = PHASE_PATH.split(where)
    return before, "".join(one or "" for one in token[:1])
