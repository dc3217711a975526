"""Switch the APIs of others on and off in a running cluster, so that one cluster is tested with and without them."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import yaml

from tests.controlplane.client import APPLY, Client
from tests.controlplane.waiting import wait_until

DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLIED: Final = "?fieldManager=catflap-controlplane&force=true"
CALICO_PROBE: Final = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "probe"},
    "spec": {"selector": "all()", "types": ["Ingress"]},
}
REPORT_PROBE: Final = {"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": "probe"}}
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one, where there is one, saves a second


def install(client: Client, crds: Path, probe: Mapping[str, Any]) -> None:
    """Apply the CRDs and return once every kind answers: discovery knows a kind earlier than its handler does."""
    definitions = _read(crds)
    for definition in definitions:
        path = f"{DEFINITIONS}/{definition['metadata']['name']}"
        client.api("PATCH", f"{path}{APPLIED}", definition, content_type=APPLY)
    served = f"/apis/{probe['apiVersion']}"
    kinds = [definition["spec"]["names"]["plural"] for definition in definitions]
    wait_until(
        lambda: all(_status(client, f"{served}/{kind}?limit=1") == HTTPStatus.OK for kind in kinds),
        what=f"{served} to be served",
    )
    # The API server holds creations back for two seconds while a CRD is not two seconds old (apiextensions-apiserver,
    # customresource_handler.go), as long as the gate waits; this one waits it out.
    [plural] = (one["spec"]["names"]["plural"] for one in definitions if one["spec"]["names"]["kind"] == probe["kind"])
    client.api("POST", f"{served}/namespaces/kube-public/{plural}?dryRun=All", probe)


def remove(client: Client, crds: Path) -> None:
    """Delete the CRDs and all their objects; return once the whole group is gone from discovery."""
    definitions = _read(crds)
    paths = [f"{DEFINITIONS}/{definition['metadata']['name']}" for definition in definitions]
    groups = {f"/apis/{definition['spec']['group']}" for definition in definitions}
    for path in paths:
        client.call("DELETE", path)
    wait_until(
        lambda: all(_status(client, path) == HTTPStatus.NOT_FOUND for path in (*paths, *groups)),
        what=f"{', '.join(groups)} to be gone",
    )


def _status(client: Client, path: str) -> int:
    return client.call("GET", path).status


def _read(crds: Path) -> list[dict[str, Any]]:
    return [yaml.load(path.read_bytes(), Loader=LOADER) for path in sorted(crds.glob("*.yaml"))]
