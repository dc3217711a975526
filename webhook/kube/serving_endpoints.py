"""List the ready addresses of a Service from its EndpointSlices."""

from webhook.kube.api import Api
from webhook.kube.paths import collection

SERVICE_LABEL = "kubernetes.io/service-name"


def ready_addresses(api: Api, namespace: str, service: str) -> tuple[tuple[str, int], ...]:
    """Return the addresses and ports of the ready servers; empty where the Service has no EndpointSlices.

    A server that is not ready gets no reviews, and reads the Secret before it becomes ready. Raises ApiError.
    """
    path = collection("discovery.k8s.io/v1", "endpointslices", namespace)
    slices = api.list(path, labelSelector=f"{SERVICE_LABEL}={service}").get("items") or []
    return tuple(
        (endpoint["addresses"][0], port["port"])
        for one in slices
        for endpoint in one.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for port in (one.get("ports") or ())[:1]
    )
