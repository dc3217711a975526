"""Check that OpenShift Templates are read as `oc process` fills them in."""

from typing import Any

import pytest

from webhook.syntax.documents import documents

TEMPLATE = """
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: shop}
labels: {template: "${NAME}"}
parameters:
- {name: NAME, value: web}
- {name: COUNT, value: "3"}
- {name: LATER, generate: expression}
objects:
- apiVersion: apps.openshift.io/v1
  kind: DeploymentConfig
  metadata: {name: "${NAME}", labels: {app: "${NAME}"}}
  spec: {replicas: "${{COUNT}}", template: {metadata: {labels: {app: "${NAME}-${LATER}"}}}}
- {apiVersion: v1, kind: Service, metadata: {name: "x${NAME}"}}
"""


def test_each_object_is_filled_in() -> None:
    """Parameters without a default value do not change, and the objects themselves get the Template's labels."""
    config, service = documents(TEMPLATE)
    assert config["metadata"] == {"name": "web", "labels": {"app": "web", "template": "web"}}
    assert config["spec"] == {"replicas": 3, "template": {"metadata": {"labels": {"app": "web-${LATER}"}}}}
    assert service["metadata"] == {"name": "xweb", "labels": {"template": "web"}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("parameters:\n", "parameters: []\nx:\n"), id="no parameters"),
        pytest.param(('labels: {template: "${NAME}"}\n', ""), id="no labels"),
        pytest.param(("{name: NAME, value: web}", "5"), id="a parameter that is none"),
        pytest.param(("apiVersion: template.openshift.io/v1", "apiVersion: v1"), id="the first version"),
    ],
)
def test_parts_may_be_missing(change: tuple[str, str]) -> None:
    """The objects are still found."""
    assert [one["kind"] for one in documents(TEMPLATE.replace(*change))] == ["DeploymentConfig", "Service"]


@pytest.mark.parametrize(
    "found", [{"kind": "Template", "apiVersion": "v1", "objects": 5}, {"kind": "Template", "objects": []}]
)
def test_object_that_is_no_template_is_unchanged(found: dict[str, Any]) -> None:
    """Another vendor may have a kind of that name."""
    assert list(documents(str(found))) == [found]
