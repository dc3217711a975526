"""Tests that one user's burst does not take the slots of another user or namespace."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Final

from tests.cluster.installation import Installation
from tests.cluster.manifests import GOOD, namespace, pod

AT_ONCE: Final = 60
MINE: Final = 60
ADMINS: Final = ("system:masters",)


def test_everybody_gets_in_while_one_user_creates_sixty_at_once(catflap: Installation, namespace_name: str) -> None:
    """The burst is admitted as well: it is smaller than the queue of one user."""
    crowded, mine = f"{namespace_name}-a", f"{namespace_name}-b"
    for space in (crowded, mine):
        catflap.cluster.api("POST", "/api/v1/namespaces", namespace(space))
    over = Event()

    def create(user: str, space: str, name: str) -> int:
        manifest = pod(name, space, GOOD)
        path = f"/api/v1/namespaces/{space}/pods"
        return catflap.cluster.call("POST", path, manifest, as_user=user, as_groups=ADMINS).status

    def burst(worker: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not over.is_set():
            statuses[create("alice", crowded, f"web-{worker}-{statuses.total()}")] += 1
        return statuses

    with ThreadPoolExecutor(AT_ONCE) as pool:
        hers = [pool.submit(partial(burst, worker)) for worker in range(AT_ONCE)]
        time.sleep(1.0)  # all of them are in progress
        his = Counter(create("bob", mine, f"web-{number}") for number in range(MINE))
        over.set()
    assert his == {201: MINE}
    total = sum((one.result() for one in hers), Counter[int]())
    assert set(total) == {201}
    assert total.total() >= AT_ONCE
