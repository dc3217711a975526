"""Check how the bytes of a review become a request, and every fault that they may have."""

import copy
import json
import re
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace

from tests.reviews import GOOD, Json, deployment, encoded, namespace, pod, review
from tests.unit.samples import OWNER, asked, named
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.pod_selector import PodSelector, Term
from webhook.model.request import NamespaceObject, Operation, Request, Target, User
from webhook.model.workload import LabelLocation, Owner, Workload
from webhook.review import decoder_cache, kubernetes_objects
from webhook.review.decode import decode
from webhook.review.envelope import BadReview

DEEP: Final = 50_000
ABSENT: Final = object()


def change_review(value: Any, *path: str, source: Json | None = None) -> bytes:
    """Return a good review with another value at `path`, or without the key if `value` is ABSENT."""
    body = copy.deepcopy(source or review(pod(GOOD)))
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    if value is ABSENT:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return json.dumps(body).encode()


GOOD_BODY: Final = encoded(pod(GOOD))
UPDATE: Final = review(deployment(GOOD), before=deployment(GOOD))
NEST: Final = b'{"a":' * DEEP + b"1" + b"}" * DEEP


class TestGood:
    """Test good reviews."""

    def test_pod_creation_is_read_completely(self) -> None:
        """The request has each field that catflap uses."""
        labels = {"app": "web", "role": "frontend"}
        annotations = {"kubernetes.io/config.mirror": "4f1a"}
        manifest = pod(labels, namespace="shop", annotations=annotations, ownerReferences=[OWNER])
        request = asked(manifest, dryRun=True)
        assert request.document is not None
        assert json.loads(bytes(request.document.content)) == manifest
        assert replace(request, document=None) == Request(
            uid="705ab4f5-6393-11e8-b7cc-42010a800002",
            operation=Operation.CREATE,
            user=User("jane", ("system:authenticated",)),
            target=Target("", "v1", "pods", "", "Pod", "shop", "web"),
            dry_run=True,
            workload=Workload(
                kind="Pod",
                namespace="shop",
                name="web",
                places=(LabelLocation("metadata", labels),),
                owner=Owner("apps/v1", "ReplicaSet", "web-7d4b", "42"),
                mirror=True,
            ),
        )

    @pytest.mark.parametrize("maker", POD_MAKERS, ids=named)
    def test_each_kinds_pod_labels_are_found(self, maker: PodMaker) -> None:
        """They are in its pod template; the object's own labels reach no Pod."""
        source: Json = {"labels": GOOD}
        for key in reversed(maker.metadata_path.split(".")):
            source = {key: source}
        own = {} if maker is POD_MAKERS[0] else {"labels": {"app": "itself"}}
        manifest: Json = {"apiVersion": f"{maker.group}/v1", "kind": maker.kind, **source}
        manifest["metadata"] = {"name": "web", **own, **source.get("metadata", {})}
        found = asked(manifest).workload
        assert found is not None
        assert found.places == (LabelLocation(maker.metadata_path, GOOD),)
        assert (found.kind, found.name) == (maker.kind, "web")

    WIDGET: Final[Json] = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": {}}
    WIDGETS: Final = {("example.com", "widgets"): PodMaker("example.com", "widgets", "Wigdet", "spec.pod", custom=True)}

    def test_extra_kind_is_read_at_its_template_path(self) -> None:
        """The resource selects the kind, because the API server names the kind and the file may misspell it."""
        found = decode(encoded({**self.WIDGET, "spec": {"pod": {"metadata": {"labels": GOOD}}}}), self.WIDGETS)
        assert found.workload is not None
        assert (found.workload.kind, found.workload.places) == ("Widget", (LabelLocation("spec.pod.metadata", GOOD),))
        assert decode(encoded(self.WIDGET)).workload is None

    def test_template_change_differs_from_other_changes(self) -> None:
        """Scaling does not change the template."""
        scaled = {**self.WIDGET, "spec": {"replicas": 3}}
        remade = {**self.WIDGET, "spec": {"pod": {"spec": {}}}}
        for manifest, expected in ((scaled, False), (remade, True)):
            found = decode(encoded(manifest, before=self.WIDGET), self.WIDGETS)
            assert (found.template_changed, found.before is not None) == (expected, True)

    def test_the_labels_of_the_object_itself_are_kept_apart(self) -> None:
        """The scopes object and both judge them; a Pod's own labels are in `places` already."""
        found = asked(deployment(GOOD, labels={"app": "itself"})).workload
        assert found is not None
        assert (found.own, found.places) == (
            LabelLocation("metadata", {"app": "itself"}),
            (LabelLocation("spec.template.metadata", GOOD, selector=PodSelector((Term("tier", "In", ("web",)),))),),
        )
        made = asked(pod(GOOD)).workload
        assert made is not None
        assert made.own is None

    @pytest.mark.parametrize(
        "manifest",
        [
            pytest.param({"kind": "Deployment", "metadata": {"name": "web"}}, id="no spec"),
            pytest.param({"kind": "Deployment", "metadata": {"name": "web"}, "spec": None}, id="a null spec"),
            pytest.param({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {}}, id="no template"),
            pytest.param(
                {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": None}}, id="a null template"
            ),
            pytest.param(
                {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {}}}, id="no metadata in it"
            ),
            pytest.param(
                {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"metadata": None}}},
                id="null metadata in it",
            ),
            pytest.param(
                {
                    "kind": "Deployment",
                    "metadata": {"name": "web"},
                    "spec": {"template": {"metadata": {"labels": None}}},
                },
                id="null labels in it",
            ),
        ],
    )
    def test_missing_step_to_the_labels_means_no_labels(self, manifest: Json) -> None:
        """A rule judges the object as one without labels."""
        found = asked(manifest).workload
        assert found is not None
        assert found.places == (LabelLocation("spec.template.metadata", {}),)

    def test_a_null_label_is_the_empty_string(self) -> None:
        """The API server reads null in the same way."""
        body = change_review(None, "request", "object", "metadata", "labels", "app")
        found = decode(body).workload
        assert found is not None
        assert found.places[0].labels == {"app": "", "role": "frontend"}

    def test_an_object_without_metadata_is_a_workload_without_a_name(self) -> None:
        """The API server refuses it later; catflap's message works without a name."""
        found = asked({"kind": "Pod", "metadata": None}).workload
        assert found == Workload(kind="Pod", namespace="shop", name="", places=(LabelLocation("metadata", {}),))

    def test_a_name_that_is_yet_to_be_generated_has_a_star(self) -> None:
        """The mutating phase comes before the API server generates the name."""
        found = asked(pod(GOOD, name="", generateName="web-"), name="").workload
        assert found is not None
        assert found.name == "web-*"

    def test_namespace_comes_from_the_request_if_the_object_has_none(self) -> None:
        """A bare manifest leaves the namespace to the URL."""
        found = asked(pod(GOOD), namespace="shop").workload
        assert found is not None
        assert found.namespace == "shop"

    @pytest.mark.parametrize(
        "references",
        [
            pytest.param([{**OWNER, "controller": False}], id="an owner that is not the controller"),
            pytest.param([{**OWNER, "controller": None}], id="one that does not say"),
            pytest.param([], id="none"),
            pytest.param(None, id="null"),
        ],
    )
    def test_only_the_controller_is_an_owner(self, references: Any) -> None:
        """Other owners make no Pods."""
        found = asked(pod(GOOD, ownerReferences=references)).workload
        assert found is not None
        assert found.owner is None

    def test_the_controller_is_found_among_several_owners(self) -> None:
        """At most one owner has the mark."""
        other = {**OWNER, "controller": False, "name": "other"}
        found = asked(pod(GOOD, ownerReferences=[other, OWNER])).workload
        assert found is not None
        assert found.owner == Owner("apps/v1", "ReplicaSet", "web-7d4b", "42")

    def test_update_has_the_old_object(self) -> None:
        """The request also says whether the template changed."""
        request = asked(deployment({"app": "new"}), before=deployment({"app": "old"}))
        assert request.workload is not None
        assert request.before is not None
        assert request.workload.places[0].labels == {"app": "new"}
        assert request.before.places[0].labels == {"app": "old"}
        assert request.template_changed

    @pytest.mark.parametrize(
        ("manifest", "before", "changed_template"),
        [
            pytest.param(deployment(GOOD), deployment(GOOD), False, id="nothing"),
            pytest.param(deployment(GOOD, annotations={"a": "b"}), deployment(GOOD), False, id="an annotation"),
            pytest.param(pod({"a": "b"}), pod(GOOD), False, id="a Pod has none"),
            pytest.param({"kind": "Deployment"}, {"kind": "Deployment"}, False, id="none on either side"),
            pytest.param(deployment(GOOD), {"kind": "Deployment"}, True, id="it came"),
            pytest.param({"kind": "Deployment"}, deployment(GOOD), True, id="it went"),
        ],
    )
    def test_changed_template_differs_from_another_change(
        self, manifest: Json, before: Json, *, changed_template: bool
    ) -> None:
        """The values decide."""
        assert asked(manifest, before=before).template_changed is changed_template

    def test_a_namespace_is_its_name_and_labels(self) -> None:
        """Other fields have no effect."""
        assert asked(namespace("shop", {"a": "b"}), namespace="shop").namespace == NamespaceObject("shop", {"a": "b"})
        assert asked({"kind": "Namespace", "metadata": None}).namespace == NamespaceObject("", {})

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({"operation": "DELETE", "object": None}, id="a deletion has no object"),
            pytest.param({"operation": "DELETE"}, id="nor is one read"),
            pytest.param({"operation": "CONNECT", "object": {"kind": "PodExecOptions"}}, id="nor that of a connection"),
            pytest.param({"subResource": "status"}, id="nor that of a subresource"),
            pytest.param(
                {"resource": {"group": "", "version": "v1", "resource": "services"}},
                id="nor that of what makes no Pods",
            ),
        ],
    )
    def test_workload_that_no_rule_checks_is_not_read(self, options: Json) -> None:
        """The request is still complete for the record."""
        request = asked(pod(GOOD), **options)
        assert (request.workload, request.before, request.namespace) == (None, None, None)
        assert request.target.name == "web"

    def test_unknown_fields_are_ignored(self) -> None:
        """A later API server may send more fields."""
        body = review(pod(GOOD))
        body["later"] = body["request"]["later"] = {"a": [1, None]}
        body["request"]["object"]["later"] = True
        found, usual = decode(json.dumps(body).encode()), decode(GOOD_BODY)
        assert replace(found, document=None) == replace(usual, document=None)

    @pytest.mark.parametrize("groups", [None, ABSENT, []], ids=["null", "absent", "empty"])
    def test_a_user_may_have_no_groups(self, groups: Any) -> None:
        """Go writes an empty list in three ways."""
        assert decode(change_review(groups, "request", "userInfo", "groups")).user == User("jane", ())

    @pytest.mark.parametrize("dry_run", [None, ABSENT, False], ids=["null", "absent", "false"])
    def test_missing_dry_run_means_no_dry_run(self, dry_run: Any) -> None:
        """Go writes a false flag in three ways."""
        assert not decode(change_review(dry_run, "request", "dryRun")).dry_run


MALFORMED: Final = {
    "empty": (b"", "body: not JSON: it ends before its last value is complete"),
    "blank": (b"  \n", "body: not JSON: it ends before its last value is complete"),
    "truncated": (GOOD_BODY[:-1], "body: not JSON: it ends before its last value is complete"),
    "no JSON": (b"hello", "body: not JSON: it is invalid from byte N on"),
    "two reviews": (GOOD_BODY * 2, "body: not JSON: it is invalid from byte N on"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD_BODY, "body: not JSON: it is invalid from byte N on"),
    "an array": (b"[]", "body: expected a mapping, got a list"),
    "null": (b"null", "body: expected a mapping, got null"),
    "a number": (b"5", "body: expected a mapping, got a number"),
    "no fields": (b"{}", "apiVersion: this key is missing"),
    "another version": (
        change_review("admission.k8s.io/v1beta1", "apiVersion"),
        "apiVersion: 'admission.k8s.io/v1beta1' is unknown",
    ),
    "a version that is a number": (change_review(1, "apiVersion"), "apiVersion: expected text, got a number"),
    "another kind": (change_review("Pod", "kind"), "kind: 'Pod' is unknown"),
    "no request": (change_review(ABSENT, "request"), "request: this key is missing"),
    "a null request": (change_review(None, "request"), "request: expected a mapping, got null"),
    "no uid": (change_review(ABSENT, "request", "uid"), "request.uid: this key is missing"),
    "a uid that is a number": (change_review(5, "request", "uid"), "request.uid: expected text, got a number"),
    "an empty uid": (change_review("", "request", "uid"), "request.uid is empty"),
    "no operation": (change_review(ABSENT, "request", "operation"), "request.operation: this key is missing"),
    "another operation": (change_review("PATCH", "request", "operation"), "request.operation: 'PATCH' is unknown"),
    "no user": (change_review(ABSENT, "request", "userInfo"), "request.userInfo: this key is missing"),
    "groups that are one text": (
        change_review("admins", "request", "userInfo", "groups"),
        "request.userInfo.groups: expected a list, got text",
    ),
    "a group that is a number": (
        change_review(["a", 5], "request", "userInfo", "groups"),
        "request.userInfo.groups[1]: expected text, got a number",
    ),
    "a resource without a name": (
        change_review({}, "request", "resource"),
        "request.resource.resource: this key is missing",
    ),
    "a flag that is a text": (
        change_review("no", "request", "dryRun"),
        "request.dryRun: expected true or false, got text",
    ),
    "a kind that is not the resource's": (
        change_review("Node", "request", "kind", "kind"),
        "request.kind.kind: pods must have the kind Pod, got 'Node'",
    ),
    "an object of another kind": (
        change_review("Node", "request", "object", "kind"),
        "request.object.kind: expected 'Pod', got 'Node'",
    ),
    "an object without a kind": (
        change_review(ABSENT, "request", "object", "kind"),
        "request.object.kind: expected 'Pod', got ''",
    ),
    "an object whose kind is a number": (
        change_review(5, "request", "object", "kind"),
        "request.object.kind: expected text, got a number",
    ),
    "a null object": (
        change_review(None, "request", "object"),
        "request.object: a CREATE must contain an object, got null",
    ),
    "not an object": (
        change_review(ABSENT, "request", "object"),
        "request.object: a CREATE must contain an object, got null",
    ),
    "an object that is a list": (
        change_review([], "request", "object"),
        "request.object: expected a mapping, got a list",
    ),
    "an object that is a text": (
        change_review("Pod", "request", "object"),
        "request.object: expected a mapping, got text",
    ),
    "metadata that is a list": (
        change_review([], "request", "object", "metadata"),
        "request.object.metadata: expected a mapping, got a list",
    ),
    "labels that are a list": (
        change_review(["app"], "request", "object", "metadata", "labels"),
        "request.object.metadata.labels: expected a mapping, got a list",
    ),
    "a label that is a number": (
        change_review({"app": 5}, "request", "object", "metadata", "labels"),
        "request.object.metadata.labels[*]: expected text, got a number",
    ),
    "owners that are a mapping": (
        change_review({}, "request", "object", "metadata", "ownerReferences"),
        "request.object.metadata.ownerReferences: expected a list, got a mapping",
    ),
    "no template to look into": (
        change_review(5, "request", "object", "spec", "template", source=review(deployment(GOOD))),
        "request.object.spec.template: expected a mapping, got a number",
    ),
    "an UPDATE without what was before": (
        change_review(None, "request", "oldObject", source=UPDATE),
        "request.oldObject: an UPDATE must contain the old object, got null",
    ),
    "what was before is a list": (
        change_review([], "request", "oldObject", source=UPDATE),
        "request.oldObject: expected a mapping, got a list",
    ),
    "labels before that are a number": (
        change_review(5, "request", "oldObject", "spec", "template", "metadata", "labels", source=UPDATE),
        "request.oldObject.spec.template.metadata.labels: expected a mapping, got a number",
    ),
    "a namespace of another kind": (
        change_review("Pod", "request", "object", "kind", source=review(namespace())),
        "request.object.kind: expected 'Namespace', got 'Pod'",
    ),
    "a namespace whose labels are a text": (
        change_review("a=b", "request", "object", "metadata", "labels", source=review(namespace())),
        "request.object.metadata.labels: expected a mapping, got text",
    ),
    "not UTF-8 in the envelope": (GOOD_BODY.replace(b"jane", b"\xff\xfe"), "body: not UTF-8"),
    "not UTF-8 in a label": (GOOD_BODY.replace(b'"frontend"', b'"\xff"'), "request.object: not UTF-8"),
    "half a surrogate pair": (
        GOOD_BODY.replace(b'"jane"', rb'"\ud800"'),
        "body: not JSON: it is invalid from byte N on",
    ),
    "nested 50,000 deep": (b"[" * DEEP, "body: expected a mapping, got a list"),
    "nested 50,000 deep in a field that nobody reads": (
        GOOD_BODY.replace(b'"request": {', b'"deep": ' + NEST + b', "request": {', 1),
        "body: nested too deeply",
    ),
    "nested 50,000 deep in the object": (
        GOOD_BODY.replace(b'"spec": {', b'"deep": ' + NEST + b', "spec": {', 1),
        "body: nested too deeply",
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_bad_review_is_refused_with_the_path_of_its_fault(what: str) -> None:
    """The author of the client sees the position of the fault."""
    body, says = MALFORMED[what]
    with pytest.raises(BadReview) as bad:
        decode(body)
    assert re.sub(r"byte \d+", "byte N", str(bad.value)) == says


@pytest.mark.parametrize("end", range(0, len(GOOD_BODY), 7))
def test_no_beginning_of_a_review_is_a_review(end: int) -> None:
    """A broken connection leads to no decision."""
    with pytest.raises(BadReview):
        decode(GOOD_BODY[:end])


class CountingDecoder:
    """A decoder that records its sources."""

    def __init__(self, shape: type, sources: list[bytes]) -> None:
        self._decoder = decoder_cache.decoder(shape)
        self._sources = sources

    def decode(self, source: "bytes | msgspec.Raw") -> Any:
        """Decode a source."""
        self._sources.append(bytes(source))
        return self._decoder.decode(source)


CRON_JOB: Final[Json] = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web", "labels": GOOD}}
CONFIG_MAP: Final[Json] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}, "data": {"a": "b"}}


@pytest.mark.parametrize(
    ("new", "old", "templates"),
    [
        pytest.param(pod(GOOD), None, 0, id="a Pod"),
        pytest.param(deployment(GOOD), None, 1, id="a Deployment"),
        pytest.param(CRON_JOB, None, 1, id="a CronJob"),
        pytest.param(namespace("shop"), None, 0, id="a namespace"),
        pytest.param(CONFIG_MAP, None, 0, id="a ConfigMap"),
        pytest.param(pod(GOOD), pod(), 0, id="a changed Pod"),
        pytest.param({**deployment(GOOD), "status": {}}, deployment(GOOD), 1, id="a Deployment with the same template"),
        pytest.param(deployment(GOOD), deployment({"app": "old"}), 2, id="a Deployment with another template"),
        pytest.param(namespace("shop", {"a": "b"}), namespace("shop"), 0, id="a changed namespace"),
    ],
)
def test_each_object_is_decoded_once(
    new: Json, old: Json | None, templates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod template is decoded from its own part of the JSON; an unchanged one is decoded once for both versions."""
    sources: list[bytes] = []
    monkeypatch.setattr(kubernetes_objects, "decoder", lambda shape: CountingDecoder(shape, sources))
    decode(encoded(new, before=old))
    whole = [one for one in sources if b'"apiVersion"' in one]
    assert len(whole) == (1 if old is None else 2)
    assert len(sources) - len(whole) == templates


def test_a_fault_in_a_template_has_its_path_in_the_object() -> None:
    """The template is decoded from its own part of the JSON."""
    wrong = deployment(GOOD)
    wrong["spec"]["template"]["metadata"]["labels"]["app"] = 5
    with pytest.raises(BadReview, match=r"^request.object.spec.template.metadata.labels"):
        decode(encoded(wrong))
    wrong["spec"]["template"] = [1]
    with pytest.raises(BadReview, match=r"^request.object.spec.template: expected a mapping, got a list"):
        decode(encoded(wrong))


@pytest.mark.parametrize(
    ("name", "stored", "deleted"),
    [
        ("catflap-policy", "catflap-policy", True),
        ("", "catflap-policy", True),
        ("", "other", False),
        ("other", "other", False),
    ],
)
def test_a_deletion_of_the_policy_file_is_recognised_without_a_name_too(
    name: str, stored: str, *, deleted: bool
) -> None:
    """The deletion of a collection has a review for each object, and only its old object has the name."""
    body = review({"apiVersion": "v1", "kind": "ConfigMap"}, name=name, operation="DELETE")
    body["request"] |= {
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "object": None,
        "oldObject": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": stored}},
    }
    assert decode(json.dumps(body).encode()).policy_file_deleted is deleted
