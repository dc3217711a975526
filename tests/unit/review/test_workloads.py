"""Check that JSON and parsed YAML of Kubernetes objects give the same values for rules."""

import json
from typing import Any

import pytest
from msgspec import Raw

from tests.unit.samples import differ, named
from webhook.model.kinds import BY_KIND, POD_MAKERS, PodMaker
from webhook.review.workloads import decode_workload, workload_from

CRON_JOB = BY_KIND["batch", "CronJob"]
DEPLOYMENT = BY_KIND["apps", "Deployment"]


def with_template(maker: PodMaker, template: Any) -> bytes:
    """Return an object of a kind with this template, as JSON."""
    source = template
    for key in reversed(maker.template.split(".")):
        source = {key: source}
    return json.dumps({"metadata": {"name": "web"}, **source}).encode()


@pytest.mark.parametrize("maker", POD_MAKERS, ids=named)
def test_json_and_plain_values_have_the_same_workload(maker: PodMaker) -> None:
    """Both sources give the same values."""
    labelled = {"metadata": {"name": "web", "labels": {"app": "web", "role": None}, "annotations": {"a": "b"}}}
    source = labelled if not maker.template else json.loads(with_template(maker, labelled))
    assert workload_from(maker, source) == decode_workload(maker, Raw(json.dumps(source).encode())).workload


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, False, id="the same"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, False, id="the same different order"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, True, id="a list different order"),
        pytest.param({"a": 1}, {"a": 2}, True, id="another value"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, True, id="another value further down"),
        pytest.param({"a": None}, {}, True, id="null is something to the API server's own encoder"),
        pytest.param(None, None, False, id="none at all"),
        pytest.param({}, None, True, id="it came"),
    ],
)
@pytest.mark.parametrize("maker", [DEPLOYMENT, CRON_JOB], ids=["Deployment", "CronJob"])
def test_templates_are_compared_by_value(maker: PodMaker, new: Any, old: Any, *, expected: bool) -> None:
    """The comparison includes every field, not only labels."""
    assert differ(maker, with_template(maker, new), with_template(maker, old)) is expected


def test_only_the_pod_template_of_a_cron_job_counts() -> None:
    """Its job template has other fields."""
    new, old = (json.dumps({"spec": {"schedule": at, "jobTemplate": {"spec": {}}}}).encode() for at in "ab")
    assert not differ(CRON_JOB, new, old)


def test_a_pod_has_no_template_that_could_differ() -> None:
    """A Pod results from a template and has none."""
    assert not differ(BY_KIND["", "Pod"], b'{"metadata": {"labels": {}}}', b"{}")
