"""Where the API server finds us, by what is registered."""

import re
from typing import Final

from webhook.controller.webhook_configurations import HTTPS, MUTATE, VALIDATE, Endpoint
from webhook.kube.api import Json
from webhook.model.names import ENTRY_SUFFIX

# Where the path of a phase begins, and the token after it.
PHASE_PATH: Final = re.compile(f"(?:{VALIDATE}|{MUTATE})(?:/([^/]+))?$")


def stored_endpoint(configuration: Json, own_namespace: str) -> Endpoint | None:
    """The endpoint of the first of our entries in a webhook configuration; None where it has none, or none that is complete."""
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
    """What precedes the path of a phase in an address, and the token that follows it; empty where there is none."""
    before, *token = PHASE_PATH.split(where)
    return before, "".join(one or "" for one in token[:1])
