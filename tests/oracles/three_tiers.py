"""The usual example with the tiers frontend, backend and data in two environments, and its allowed connections line by line."""

from collections.abc import Mapping
from typing import Any, Final

from tests.oracles.sample_topology import Pod, Space, Topology

GUARDED: Final = {"catflap.dev/guard": "enabled"}
TIERS: Final = {"web": "frontend", "api": "backend", "db": "data"}

FILE: Final[Mapping[str, Any]] = {
    "namespaces": {"environment": {"label": "environment", "oneOf": ["production", "test"]}},
    "network": {
        "dns": "kube-dns",
        "clusterCIDRs": ["10.0.0.0/8"],
        "flows": [
            {"from": "outside", "to": "frontend", "ports": ["443/TCP"]},
            {"from": "frontend", "to": "backend", "ports": ["8080/TCP"]},
            {"from": "backend", "to": "data", "ports": ["5432/TCP", "5000-5010/UDP"], "across": "environment"},
        ],
    },
}

CLOSED: Final = {
    "shop": {"environment": "production"},
    "bank": {"environment": "production"},
    "shop-test": {"environment": "test"},
    "sandbox": {},
}
TOPOLOGY: Final = Topology(
    (*(Space(name, {**labels, **GUARDED}) for name, labels in CLOSED.items()), Space("kube-system")),
    (
        *(Pod(space, name, {"role": role}) for space in CLOSED for name, role in TIERS.items()),
        *(Pod(space, "bare") for space in CLOSED),
        Pod("kube-system", "dns", {"k8s-app": "kube-dns"}),
    ),
)
OUTSIDE: Final = ("203.0.113.7", "9.255.255.255", "11.0.0.0")
INSIDE: Final = ("10.0.0.0", "10.20.30.40", "10.255.255.255", "2001:db8::1")

# All allowed connections of Pods in the isolated namespaces.
OPEN: Final = frozenset(
    [
        *(f"{address} → {space}/web 443/TCP" for address in OUTSIDE for space in CLOSED),
        *(f"{space}/web → {space}/api 8080/TCP" for space in CLOSED),
        *(
            f"{source}/api → {target}/db {ports}"
            for source, target in [
                ("shop", "shop"),
                ("shop", "bank"),
                ("bank", "shop"),
                ("bank", "bank"),
                ("shop-test", "shop-test"),
                ("sandbox", "sandbox"),
            ]
            for ports in ("5432/TCP", "5000-5010/UDP")
        ),
        *(
            f"{space}/{name} → kube-system/dns 53/{protocol}"
            for space in CLOSED
            for name in (*TIERS, "bare")
            for protocol in ("UDP", "TCP")
        ),
    ]
)
