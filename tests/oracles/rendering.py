"""Render all policies of a policy file for a sample topology."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.oracles.sample_topology import Manifest, Topology
from webhook.config.parse import parse
from webhook.model.names import GUARD_LABEL, GUARDED
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

NO_SERVERS: Final = DetectedDns("none")


def rendered(
    file: Mapping[str, Any], topology: Topology, engine: PolicyEngine, *, detected_dns: DetectedDns = NO_SERVERS
) -> list[Manifest]:
    """Return the policies of every managed namespace; raises BadPolicy for an invalid file."""
    loaded = parse(text(file))
    return [
        manifest
        for space in topology.spaces
        if space.labels.get(GUARD_LABEL) == GUARDED
        for manifest in render_namespace(
            loaded.policy,
            RenderTarget(space.name, "", loaded.digest, loaded.policy.namespaces.environment_of(space.labels)),
            engine,
            detected_dns=detected_dns,
        )
    ]


def text(file: Mapping[str, Any]) -> str:
    """Return the text of the file: JSON is YAML."""
    return json.dumps({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **file})
