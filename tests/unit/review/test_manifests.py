"""Check how manifests of people and tools are read."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.decisions import settled
from tests.unit.samples import policy
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation
from webhook.model.workload import Owner, Workload
from webhook.review.existing_objects import existing_object
from webhook.review.manifests import BadManifestError, Manifest, NotKubernetesError, create_request, documents, read

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\n"


def pods(text: str) -> list[str]:
    """Return the names of the objects in a text; each is read."""
    return [read(document, default_namespace="shop").name for document in documents(text)]


def read_single(text: str) -> Workload:
    """Return the one workload in a text."""
    (document,) = documents(text)
    found = read(document, default_namespace="shop").workload
    assert found is not None
    return found


class TestDocuments:
    """Test files with several objects."""

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            pytest.param(POD, ["web"], id="one document"),
            pytest.param(f"---\n{POD}---\n{POD}...\n", ["web", "web"], id="several"),
            pytest.param(f"---\n---\n{POD}---\n# nothing\n---\nnull\n", ["web"], id="empty documents between"),
            pytest.param("", [], id="no document"),
            pytest.param("# a comment\n", [], id="comments only"),
            pytest.param('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}', ["web"], id="JSON"),
            pytest.param("\ufeff" + POD, ["web"], id="a byte order mark"),
            pytest.param(POD.replace("\n", "\r\n"), ["web"], id="line ends of Windows"),
            pytest.param(
                "kind: List\napiVersion: v1\nitems:\n"
                "- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
                "- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n",
                ["a", "b"],
                id="a List",
            ),
            pytest.param(
                "kind: List\nitems: [{kind: List, items: [{kind: List, items: ["
                "{apiVersion: v1, kind: Pod, metadata: {name: a}}]}]}, {apiVersion: v1, kind: Pod}]\n",
                ["a", ""],
                id="the nesting of Lists",
            ),
            pytest.param("kind: List\nitems: []\n", [], id="an empty List"),
            pytest.param(
                "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n",
                ["a", "b"],
                id="a typed list, whose items need no kind",
            ),
            pytest.param(
                "apiVersion: v1\nkind: PodList\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]\n",
                ["a"],
                id="a typed list whose items have one",
            ),
        ],
    )
    def test_each_object_of_a_text_is_found(self, text: str, names: list[str]) -> None:
        """The objects are in the order of the text."""
        assert pods(text) == names

    def test_items_of_a_typed_list_have_the_item_kind(self) -> None:
        """`kubectl get deployments -o yaml` writes a List; client libraries write a DeploymentList."""
        text = "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]\n"
        assert read_single(text).kind == "Deployment"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param("a: b: c", "not YAML: a second ': ' in one line", id="a colon too many"),
            pytest.param("a: [1", "not YAML: ", id="an open bracket"),
            pytest.param(
                "a: *b",
                "not YAML: the alias *b refers to the anchor &b, which is not defined before it",
                id="an alias of nothing",
            ),
            pytest.param("&a [*a]", "not YAML: the anchor &a contains itself", id="a list that contains itself"),
            pytest.param("{a: 1}: b", "not YAML: a mapping cannot be a key", id="a mapping as key"),
            pytest.param("a: .inf", "not YAML: .inf is not a valid JSON number", id="a number that JSON lacks"),
            pytest.param("--- a: b", "not YAML: 'a: b' is on the line of the separator", id="text behind ---"),
            pytest.param("a: \x00", "not YAML: ", id="a zero byte"),
            pytest.param("a: !!bool maybe", "not YAML: ", id="a tag that its value does not fit"),
            pytest.param("a: !!timestamp soon", "not YAML: ", id="a tag of a time that is none"),
        ],
    )
    def test_invalid_yaml_is_rejected_in_one_line(self, text: str, says: str) -> None:
        """The message has the place if the parser gives one."""
        with pytest.raises(BadManifestError, match="not YAML") as bad:
            list(documents(text))
        assert str(bad.value).startswith(says)
        assert "\n" not in str(bad.value)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(
                "x: &a {kind: List, items: [1]}\n---\n" + "{kind: List, items: [" * 6 + "1" + "]}" * 6, id="six deep"
            ),
            pytest.param("{kind: List, items: [" * 5 + "1" + "]}" * 5, id="five deep"),
        ],
    )
    def test_lists_in_lists_end_somewhere(self, text: str) -> None:
        """A few lines with aliases would make millions of objects."""
        with pytest.raises(BadManifestError, match="the nesting of Lists"):
            list(documents(text))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('{"kind": "A"}\n{"kind": "B"}', id="one after the other"),
            pytest.param('{"kind": "A", "x": "\\ud83d\\ude00"}{"kind": "B"}', id="surrogate pairs"),
            pytest.param('\n {"kind": "A", "x": "\x7f"} {"kind": "B"}\n', id="a control character"),
        ],
    )
    def test_json_is_read_as_json(self, text: str) -> None:
        """Other programs write JSON that YAML parsers refuse."""
        assert [one["kind"] for one in documents(text)] == ["A", "B"]

    @pytest.mark.parametrize(
        ("written", "read_as"),
        [
            (r"\ud83d", "\ufffd"),
            (r"a\uDC00b", "a\ufffdb"),
            (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
            (r"\ude00\ud83d", "\ufffd\ufffd"),
            (r"\\ud83d", r"\ud83d"),
            (r"\n\u0041\"", '\nA"'),
        ],
    )
    def test_half_a_character_is_read_as_the_api_server_would(self, written: str, read_as: str) -> None:
        """It becomes a replacement character, because half a character cannot be encoded."""
        [found] = documents(f'{{"kind": "A", "x": "{written}"}}')
        assert found["x"] == read_as

    def test_a_tag_that_is_not_yamls_makes_text(self) -> None:
        """The result is that of kubectl; no tag runs code."""
        assert list(documents("a: !!python/name:os.system x")) == [{"a": "x"}]

    def test_a_bare_equals_sign_is_text(self) -> None:
        """The result is that of kubectl."""
        assert list(documents("op: =")) == [{"op": "="}]

    def test_a_file_nested_without_end_is_refused_by_a_process_that_lives_on(self) -> None:
        """A C parser that runs out of stack would end the process, so a separate process tries it."""
        reader = "import sys; from webhook.review.manifests import *; list(documents(sys.stdin.read()))"
        argv = [sys.executable, "-c", reader]
        ended = subprocess.run(argv, input="[" * 100_000, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1
        assert "BadManifestError: not YAML: " in ended.stderr

    def test_objects_before_a_fault_are_found(self) -> None:
        """All faults of the file are reported together."""
        found = documents(f"{POD}---\na: b: c\n")
        assert next(found)["metadata"]["name"] == "web"
        with pytest.raises(BadManifestError):
            next(found)

    def test_alias_has_the_value_of_its_anchor(self) -> None:
        """People use anchors to share labels."""
        text = (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: &labels {app: web, role: data}}\n"
            "spec: {selector: {matchLabels: *labels}, template: {metadata: {labels: {<<: *labels, tier: x}}}}\n"
        )
        assert read_single(text).places[0].labels == {"app": "web", "role": "data", "tier": "x"}


class TestRead:
    """Test single objects."""

    def test_an_objects_reference_is_kept(self) -> None:
        """Messages and the answer in JSON use it."""
        (document,) = documents("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n")
        assert read(document, default_namespace="default") == Manifest("v1", "Service", "shop", "web", None)

    @pytest.mark.parametrize(
        ("metadata", "namespace", "name"),
        [
            pytest.param("{name: web, namespace: eu}", "eu", "web", id="its own namespace"),
            pytest.param("{name: web}", "shop", "web", id="the default where it names none"),
            pytest.param("{generateName: web-}", "shop", "web-*", id="a name to be generated"),
            pytest.param("{}", "shop", "", id="no name"),
            pytest.param("null", "shop", "", id="no metadata"),
        ],
    )
    def test_a_workload_is_named_by_its_metadata(self, metadata: str, namespace: str, name: str) -> None:
        """The metadata may lack parts of the name."""
        found = read_single(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n")
        assert (found.namespace, found.name) == (namespace, name)

    @pytest.mark.parametrize(
        ("labels", "read_as"),
        [
            pytest.param("{born: 2026-01-31}", {"born": "2026-01-31"}, id="a date is text, as kubectl reads it"),
            pytest.param("{at: 2026-01-31T10:00:00Z}", {"at": "2026-01-31T10:00:00Z"}, id="a time is text"),
            pytest.param("{app: null}", {"app": ""}, id="null is the empty string"),
            pytest.param("{app: }", {"app": ""}, id="so is nothing"),
            pytest.param('{app: "1"}', {"app": "1"}, id="a quoted number"),
            pytest.param('{"1": a}', {"1": "a"}, id="a quoted number as key"),
            pytest.param("{}", {}, id="no labels"),
            pytest.param("null", {}, id="null labels"),
        ],
    )
    def test_labels_are_read_as_the_api_server_would(self, labels: str, read_as: dict[str, str]) -> None:
        """YAML has more types than labels."""
        assert read_single(f"apiVersion: v1\nkind: Pod\nmetadata: {{labels: {labels}}}\n").places[0].labels == read_as

    @pytest.mark.parametrize(
        ("metadata", "says"),
        [
            pytest.param(
                "{labels: [app]}",
                "metadata.labels: this is a list; expected a mapping of keys and values (key: value)",
                id="a list",
            ),
            pytest.param(
                "[]",
                "metadata: this is a list; expected a mapping of keys and values (key: value)",
                id="metadata that is a list",
            ),
            pytest.param(
                "{name: 5}",
                'metadata.name: 5 is a number; expected text: write it in quotes: "5"',
                id="a name that is a number",
            ),
        ],
    )
    def test_value_that_the_api_server_rejects_is_rejected_with_its_path(self, metadata: str, says: str) -> None:
        """The message has the words of manifests, not those of the library."""
        (document,) = documents(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n")
        with pytest.raises(BadManifestError) as bad:
            read(document, default_namespace="shop")
        assert str(bad.value).endswith(f": {says}")

    @pytest.mark.parametrize(
        ("metadata", "labels"),
        [
            ("{labels: {1: a}}", {"1": "a"}),
            ("{labels: {on: a}}", {"true": "a"}),
            ("{labels: {0x10: a}}", {"16": "a"}),
            ("{5: a}", {}),
        ],
    )
    def test_a_key_that_is_no_text_becomes_text(self, metadata: str, labels: dict[str, str]) -> None:
        """The text is that of kubectl."""
        assert read_single(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n").places[0].labels == labels

    def test_annotations_are_no_matter(self) -> None:
        """Only the annotation that marks a mirror Pod counts."""
        text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: {%s: x}}\n"
        assert not read_single(text % "a").mirror
        assert read_single(text % "kubernetes.io/config.mirror").mirror

    def test_an_owner_is_read(self) -> None:
        """The text is the output of `kubectl get -o yaml`."""
        owner = "{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: b, controller: true, blockOwnerDeletion: true}"
        found = read_single(f"apiVersion: v1\nkind: Pod\nmetadata: {{ownerReferences: [{owner}]}}\n")
        assert found.owner == Owner("apps/v1", "ReplicaSet", "a", "b")

    @pytest.mark.parametrize(
        "document",
        [
            pytest.param({}, id="an empty mapping"),
            pytest.param({"kind": "Pod"}, id="no apiVersion"),
            pytest.param({"apiVersion": "v1"}, id="no kind"),
            pytest.param({"apiVersion": "v1", "kind": ""}, id="an empty kind"),
            pytest.param({"version": 2, "services": {}}, id="another program's file"),
        ],
    )
    def test_file_of_another_program_differs_from_an_invalid_one(self, document: object) -> None:
        """In a folder, `catflap check` skips such a file."""
        with pytest.raises(
            NotKubernetesError,
            match=r"^not a Kubernetes object: (apiVersion|kind|apiVersion and kind) (is|are) (missing|empty)",
        ):
            read(document, default_namespace="shop")

    @pytest.mark.parametrize(
        ("document", "path"),
        [
            pytest.param({"apiVersion": 1, "kind": "Pod"}, ("apiVersion",), id="a version that is a number"),
            pytest.param({"apiVersion": ["v1"], "kind": "Pod"}, ("apiVersion",), id="a version in a list"),
            pytest.param({"apiVersion": "v1", "kind": True}, ("kind",), id="a kind that is a boolean"),
            pytest.param({"apiVersion": "v1", "kind": {"Pod": None}}, ("kind",), id="a kind that is a mapping"),
            pytest.param({"apiVersion": "v1", "kind": "Pod", "metadata": "a"}, ("metadata",), id="metadata as text"),
            pytest.param({"apiVersion": "v1", "kind": "Odd", "metadata": [5]}, ("metadata",), id="of an unknown kind"),
            pytest.param(
                {"apiVersion": "v1", "kind": "Odd", "metadata": {"namespace": 7}},
                ("metadata", "namespace"),
                id="a namespace",
            ),
            pytest.param(
                {"apiVersion": "v1", "kind": "Odd", "metadata": {"generateName": False}},
                ("metadata", "generateName"),
                id="a prefix",
            ),
        ],
    )
    def test_a_head_of_another_type_is_a_fault_of_the_manifest(self, document: object, path: tuple[str, ...]) -> None:
        """This applies to any kind, and in folders: with both apiVersion and kind, the file is a manifest."""
        with pytest.raises(BadManifestError) as bad:
            read(document, default_namespace="shop")
        assert not isinstance(bad.value, NotKubernetesError)
        assert bad.value.path == path

    @pytest.mark.parametrize("metadata", [None, {}, {"name": None}, {"name": ""}])
    def test_checked_object_without_a_name_has_a_note(self, metadata: object) -> None:
        """Kubernetes would refuse it; a kind without metadata of its own, such as a Kustomization, has no note."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        other = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "metadata": metadata}
        assert "metadata.generateName are missing" in " ".join(read(pod, default_namespace="shop").notes)
        assert "metadata.generateName are missing" not in " ".join(read(other, default_namespace="shop").notes)

    @pytest.mark.parametrize(
        ("document", "kind"),
        [
            pytest.param(5, "a number", id="a number"),
            pytest.param([], "a list; write each item as a document after ---.*", id="a list"),
            pytest.param("a", "text", id="text"),
        ],
    )
    def test_value_that_is_no_mapping_is_no_object(self, document: object, kind: str) -> None:
        """The message says so."""
        with pytest.raises(BadManifestError, match=f"^expected an object with apiVersion and kind, got {kind}$"):
            read(document, default_namespace="shop")

    def test_a_kind_of_another_group_is_another_kind(self) -> None:
        """The name of a kind does not identify it."""
        (document,) = documents("apiVersion: example.com/v1\nkind: Deployment\nmetadata: {name: a}\n")
        assert read(document, default_namespace="shop").workload is None


class TestCreation:
    """Test the request that would apply a manifest."""

    def test_request_is_a_create_by_an_ordinary_user(self) -> None:
        """The user is neither a node nor a controller."""
        (document,) = documents("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
        request = create_request(read(document, default_namespace="shop"))
        assert request.operation is Operation.CREATE
        assert not request.user.is_node
        assert not request.user.is_controller
        target = request.target
        assert (target.group, target.version, target.resource) == ("apps", "v1", "deployments")
        assert (target.namespace, target.name, target.subresource) == ("shop", "web", "")

    def test_the_decision_is_the_servers(self) -> None:
        """This includes exempt namespaces."""
        (document,) = documents(POD.replace("name: web", "name: web, namespace: kube-system"))
        found = settled(create_request(read(document, default_namespace="shop")), policy())
        assert found == Decision(Reason(ReasonCode.NAMESPACE_EXEMPT, "namespace kube-system is exempt"))

    def test_object_that_makes_no_pods_is_not_checked(self) -> None:
        """This applies to any such kind."""
        (document,) = documents("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")
        found = settled(create_request(read(document, default_namespace="shop")), policy())
        assert isinstance(found, Decision)
        assert found.verdict is Verdict.UNJUDGED


class TestExisting:
    """Test existing objects."""

    @pytest.mark.parametrize(
        ("when", "created"),
        [
            ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("'2026-12-31T23:59:59+00:00'", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("null", None),
        ],
    )
    def test_creation_time_is_read(self, when: str, created: datetime | None) -> None:
        """A manifest may have the time."""
        (document,) = documents(POD.replace("name: web", f"name: web, creationTimestamp: {when}"))
        assert existing_object(document, default_namespace="shop").created == created

    @pytest.mark.parametrize("when", ["nonsense", "''", "2026-12-31", "2026-12-31T23:59:59", "0", "[]", "true"])
    def test_invalid_time_is_rejected_with_its_path(self, when: str) -> None:
        """The API server would refuse it too."""
        (document,) = documents(POD.replace("name: web", f"name: web, creationTimestamp: {when}"))
        with pytest.raises(
            BadManifestError, match=r"^Pod web: metadata\.creationTimestamp: .*(?:is no|; expected a) time such as "
        ):
            existing_object(document, default_namespace="shop")

    @pytest.mark.parametrize(
        ("status", "running"), [("{}", True), ("[]", True), ("{phase: [Failed]}", True), ("{phase: Failed}", False)]
    )
    def test_pod_runs_unless_its_phase_is_final(self, status: str, *, running: bool) -> None:
        """Other parts of its status have no effect."""
        (document,) = documents(f"{POD.replace('name: web', 'name: web, uid: u')}status: {status}\n")
        assert existing_object(document, default_namespace="shop").running is running

    @pytest.mark.parametrize("part", ["name", "uid", "namespace"])
    def test_text_that_cannot_be_written_is_refused(self, part: str) -> None:
        """No reader of catflap makes such text, but the command must survive it."""
        with pytest.raises(BadManifestError):
            existing_object(
                {"apiVersion": "v1", "kind": "Pod", "metadata": {part: "\ud83d", "labels": "\ud83d"}},
                default_namespace="shop",
            )
