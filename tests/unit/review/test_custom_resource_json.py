"""Check that pruned custom objects give the same templates, at a cost independent of their other fields."""

import gc
import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.review.test_custom_resources import (
    CRON,
    CRON_WORKFLOW,
    REFERENCE,
    ROLLOUT,
    UNITED,
    WIDGET,
    WORKFLOW,
    at_path,
    label_template,
)
from tests.unit.samples import differ
from webhook.model.kinds import POD_SPEC_FIELDS, PodMaker
from webhook.review import custom_resource_json
from webhook.review.custom_resource_json import extract_templates
from webhook.review.custom_resources import pod_templates
from webhook.review.decoder_cache import decoder

MAKERS: Final = (CRON, UNITED, WIDGET, ROLLOUT, WORKFLOW, CRON_WORKFLOW)
KEYS: Final = (
    "metadata",
    "spec",
    "labels",
    "annotations",
    *POD_SPEC_FIELDS,
    "template",
    "podTemplate",
    "podMetadata",
    "templates",
    "workflowTemplateRef",
    "workloadRef",
)
SCALARS: Final = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "web", 'a"b', "\u00e9"]))
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=20,
)


def encoded(found: Any) -> bytes:
    """Return an object as the API server writes it."""
    return json.dumps(found, ensure_ascii=False).encode()


@given(st.sampled_from(MAKERS), st.data())
def test_extracted_templates_equal_those_of_the_whole_object(maker: PodMaker, data: st.DataObject) -> None:
    """This applies to any value at a template's path or on the way to it."""
    path = data.draw(st.sampled_from([*maker.sources, *maker.partial, "spec", "spec.template"]))
    found = at_path(path, data.draw(VALUES))
    assert pod_templates(maker, extract_templates(maker, encoded(found))) == pod_templates(maker, found)


@pytest.mark.parametrize("maker", [CRON, UNITED, WIDGET], ids=lambda maker: maker.kind)
def test_a_change_by_any_path_is_a_change(maker: PodMaker) -> None:
    """Changes outside of the paths do not count."""
    for path in maker.templates:
        old, new = at_path(path, label_template(app="a")), at_path(path, label_template(app="b"))
        assert differ(maker, encoded(new), encoded(old))
        assert differ(maker, encoded(new), b"{}")
        assert not differ(maker, encoded({**new, "status": 1}), encoded(new))


def test_the_order_of_keys_is_no_change() -> None:
    """Clients write keys in any order."""
    old, new = (encoded(at_path("spec.podTemplate", labels)) for labels in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert not differ(WIDGET, new, old)


def test_another_reference_is_a_change() -> None:
    """Its Pods come from another object."""
    old = encoded({"spec": {"workloadRef": REFERENCE}})
    assert differ(ROLLOUT, encoded({"spec": {"workloadRef": {**REFERENCE, "name": "api"}}}), old)
    assert not differ(ROLLOUT, encoded({"spec": {"workloadRef": REFERENCE, "replicas": 3}}), old)


@pytest.mark.parametrize("filling", ["[]", "{}", "1", '"a"', '{"a":[]}'])
@pytest.mark.parametrize("where", ["spec", "template", "labels"])
def test_fields_outside_templates_are_not_decoded(filling: str, where: str) -> None:
    """Millions of values would block the interpreter for seconds; skipping them takes milliseconds."""
    many = f"[{','.join([filling] * 200_000)}]"
    inner = {"spec": "", "template": "", "labels": "", where: f',"x":{many}'}
    template = f'{{"metadata":{{"labels":{{"app":"web"{inner["labels"]}}}}}{inner["template"]}}}'
    source = f'{{"spec":{{"podTemplate":{template}{inner["spec"]}}}}}'.encode()
    before = len(gc.get_objects())
    [place] = pod_templates(WIDGET, extract_templates(WIDGET, source))
    assert len(gc.get_objects()) - before < 1000
    assert place.labels["app"] == "web"


@pytest.mark.parametrize("maker", [CRON, UNITED, WIDGET, ROLLOUT], ids=lambda maker: maker.kind)
def test_bytes_read_do_not_grow_with_the_number_of_templates(maker: PodMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is read at most once for each step of a path, for any number of templates."""
    read = 0

    class Counting:
        def __init__(self, shape: type) -> None:
            self._real = decoder(shape)

        def decode(self, source: Any) -> Any:
            nonlocal read
            read += len(bytes(source))
            return self._real.decode(source)

    monkeypatch.setattr(custom_resource_json, "decoder", Counting)
    filling = "[]," * 10_000 + "[]"
    inside = f'"x":[{filling}]'
    source = "{}"
    steps = max(path.count(".") + 1 for path in maker.sources)
    for key in reversed(maker.templates[0].split(".")):
        source = f'{{"{key}":{source},{inside}}}'
    extract_templates(maker, source.encode())
    assert 0 < read <= (steps + 1) * len(source)
