"""One module puts names into paths, and no name leads to another object than its own."""

import ast
from typing import Final
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.source import modules
from webhook.kube.api import Api
from webhook.kube.errors import ApiError
from webhook.kube.paths import collection, is_segment, name_selector, under, validated_path

HOSTILE: Final = [
    "",
    ".",
    "..",
    "../../older/deployments/old",
    "../../../../../../api/v1/namespaces?watch=true",
    "web/status",
    "/web",
    "web/",
    "%2e%2e",
    "%2E%2E%2Fold",
    "web%00",
    "web\x00",
    "web\n",
    "web\\..\\old\x7f",
    "wéb",
    "\uff0e\uff0e",
    "a" * 254,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_segment(name: str) -> None:
    """This holds for names and namespaces at every position."""
    assert not is_segment(name)
    for segments in ((name,), ("v1", name, "pods")):
        with pytest.raises(ApiError, match="is not a valid name of an object or namespace") as caught:
            under("/api", *segments)
        assert caught.value.refused
    if name:
        with pytest.raises(ApiError):
            collection("v1", "pods", name)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("web-7d4b", "web-7d4b"),
        ("default.catflap-default-deny", "default.catflap-default-deny"),
        ("system:node:worker-1", "system:node:worker-1"),
        ("...", "..."),
        ("..a", "..a"),
        ("web?watch=true", "web%3Fwatch=true"),
        ("web#x", "web%23x"),
        ("a b", "a%20b"),
        ("a\\b", "a%5Cb"),
        ("~:!$&'()*+,;=@", "~:!$&'()*+,;=@"),
    ],
)
def test_a_strange_name_is_encoded(name: str, encoded: str) -> None:
    """The API server has no such object, and gets no request for another one."""
    assert under("/api/v1/namespaces", name) == f"/api/v1/namespaces/{encoded}"
    assert validated_path(under("/api/v1/namespaces", name))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_path_has_the_segments_that_it_was_built_of(segments: list[str]) -> None:
    """This holds for all segments, unless one of them is refused; then there is no path."""
    if all(map(is_segment, segments)):
        path = under("/apis", *segments)
        assert validated_path(path) == path
        assert [unquote(one) for one in path.split("/")[2:]] == segments
    else:
        with pytest.raises(ApiError):
            under("/apis", *segments)


@given(st.text())
def test_a_path_that_was_put_together_elsewhere_is_checked_again(text: str) -> None:
    """No sent path has a segment that a library or the server would resolve."""
    try:
        path = validated_path(f"/api/v1/namespaces/{text}")
    except ApiError:
        return
    assert not {"", ".", ".."} & set(path.split("/")[1:])
    assert "/" not in "".join(unquote(one) for one in path.split("/")[1:])
    assert path.isascii()


@pytest.mark.parametrize(
    "path", ["/api/v1/namespaces/../x", "/api//v1", "api/v1", "/api/v1/x?watch=true", "/api/%2e%2e/x"]
)
def test_such_a_path_is_not_sent(path: str) -> None:
    """The error comes before any connection is used."""
    with pytest.raises(ApiError, match="is not a path of the API server"):
        Api(None).get(path)  # type: ignore[arg-type]


def test_collections_are_found_by_version_and_namespace() -> None:
    """The core group has another root."""
    assert collection("v1", "pods") == "/api/v1/pods"
    assert collection("v1", "pods", "shop") == "/api/v1/namespaces/shop/pods"
    assert collection("apps/v1", "deployments", "shop") == "/apis/apps/v1/namespaces/shop/deployments"


def test_a_field_selector_has_one_term() -> None:
    """This holds for every name."""
    assert name_selector("catflap-policy") == "metadata.name=catflap-policy"
    assert name_selector("a,metadata.name!=b\\") == "metadata.name=a\\,metadata.name!\\=b\\\\"


def test_no_other_module_puts_paths_together() -> None:
    """Every other module builds its paths by this one, which checks the names."""
    put_together = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr) and node.values and begins_a_path(node.values[0])
    ]
    assert [one for one in put_together if not one.startswith(ALLOWED)] == []


# Modules whose paths have only constants.
ALLOWED: Final = ("webhook.kube.webhook_configurations:", "webhook.kube.reports:")


def begins_a_path(first: ast.expr) -> bool:
    """Return whether an f-string begins like a path of the API server."""
    return isinstance(first, ast.Constant) and str(first.value).startswith(("/api/", "/apis/"))
