"""Pages fit into memory whatever the size of the objects, and no object is silently lost."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.kube.paging import LARGEST_PAGE, Json, PartialMetadata, TooLarge, outline_page, pages, qualified_name

MIB = 1024 * 1024


class Store:
    """A list of objects of given sizes, read in pages like the API server's."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.reads: list[int] = []

    def read(self, limit: int, token: str, most: int) -> bytes:
        """Return a page that begins with the token's object."""
        first = int(token or 0)
        chosen = self.sizes[first : first + limit]
        self.reads.append(sum(chosen))
        if sum(chosen) > most:
            raise TooLarge
        last = first + len(chosen)
        items = [{"metadata": {"namespace": "shop", "name": str(number)}} for number in range(first, last)]
        metadata = {"continue": str(last)} if last < len(self.sizes) else {}
        content = msgspec.json.encode({"metadata": metadata, "items": items})
        return content + b" " * max(0, min(sum(chosen), most) - len(content))


def named(page: Json) -> list[str]:
    """Return every object of a page, decoded or omitted."""
    return [item["metadata"]["name"] for item in page["items"]] + [
        name.partition("/")[2] for name in page.get("omitted", ())
    ]


@settings(deadline=None)  # each page has its real size
@given(st.lists(st.sampled_from([100, MIB, 3 * MIB, 9 * MIB, 20 * MIB]), max_size=10))
def test_every_object_comes_once_and_in_order(sizes: list[int]) -> None:
    """The page has the name of an object that is too large."""
    found = [name for page in pages(Store(*sizes).read, size=8) for name in named(page)]
    assert found == [str(number) for number in range(len(sizes))]


@settings(deadline=None)  # each page has its real size
@given(st.lists(st.integers(1, 20 * MIB), max_size=10))
def test_only_what_fits_is_decoded(sizes: list[int]) -> None:
    """The names of the other objects need little memory."""
    for page in pages(Store(*sizes).read, size=8):
        decoded = [int(item["metadata"]["name"]) for item in page["items"]]
        assert sum(sizes[number] for number in decoded) <= LARGEST_PAGE
        assert all(sizes[int(name.partition("/")[2])] > LARGEST_PAGE for name in page.get("omitted", ()))


def test_small_objects_come_in_full_pages() -> None:
    """No object is read twice."""
    store = Store(*[100] * 1000)
    assert [len(page["items"]) for page in pages(store.read, size=250)] == [250] * 4
    assert len(store.reads) == 4


def test_pages_grow_again_behind_a_large_object() -> None:
    """One large object does not shorten every later page."""
    store = Store(20 * MIB, *[100] * 1000)
    lengths = [len(named(page)) for page in pages(store.read, size=250)]
    assert lengths[0] == 1
    assert all(later == min(250, 2 * earlier) for earlier, later in pairwise(lengths[1:-1]))


def test_an_object_that_is_larger_than_any_can_be_ends_the_list() -> None:
    """The API server stores no object of that size."""
    with pytest.raises(TooLarge):
        list(pages(Store(40 * MIB).read, size=8))


def test_an_outline_keeps_the_token_and_the_names() -> None:
    """This includes cluster-scoped objects."""
    content = b'{"metadata": {"continue": "x"}, "items": [{"metadata": {"name": "a"}, "spec": {"deep": [1]}}]}'
    assert outline_page(content) == {"metadata": {"continue": "x"}, "items": [], "omitted": ["a"]}
    assert qualified_name(PartialMetadata(name="a", namespace="b")) == "b/a"
