"""Tests that no request fails during a rotation of the secret path: single steps, and whole systems with lagging parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from webhook.controller.path_rotation import MAX_UNKNOWN, RotationSchedule, RotationState, plan_step
from webhook.controller.path_rotator import PathRotator, ProbeResult, TokenNotAccepted, TokenUnavailable
from webhook.controller.webhook_configurations import Endpoint
from webhook.kube.api import CONFLICT, INVALID, ApiError, Json
from webhook.kube.webhook_path import MOST_TOKENS, build_secret, parse_tokens, registered_tokens, token_of
from webhook.model.path_tokens import PLAIN, Accepted, PathToken, PathTokens, digest

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
PACE: Final = RotationSchedule(300.0)
A, B, C = (PathToken(letter * 43) for letter in "abc")
NEW: Final = PathToken("n" * 43)


def taken(situation: RotationState) -> PathTokens | None:
    """Return the tokens that the next step stores."""
    found = plan_step(situation, PACE, lambda: NEW)
    return found.tokens if found else None


def registered(*tokens: PathToken) -> frozenset[str]:
    """Return the registered tokens."""
    return frozenset(one.value for one in tokens)


class TestSteps:
    """Single steps, from the stored and registered tokens."""

    def test_the_first_token_is_registered_at_once(self) -> None:
        """No API server uses another token."""
        assert taken(RotationState(None, frozenset())) == PathTokens(registered=NEW)

    @pytest.mark.parametrize("value", [PLAIN, A.value])
    def test_a_registered_path_is_kept(self, value: str) -> None:
        """An earlier release registered it, or its Secret was deleted."""
        found = taken(RotationState(None, frozenset({value})))
        assert found is not None
        assert found.accepted == (value,)

    def test_the_plain_path_is_replaced_without_delay(self) -> None:
        """The empty token is no secret, and the same steps replace it."""
        plain = PathTokens(registered=PathToken(PLAIN))
        assert taken(RotationState(plain, frozenset({PLAIN}))) == PathTokens(registered=PathToken(PLAIN), next=NEW)

    def test_a_next_token_is_registered_once_every_server_accepts_it(self) -> None:
        """They are registered no earlier, however long that takes."""
        tokens = PathTokens(registered=A, next=B)
        assert taken(RotationState(tokens, registered(A), age=1e6, settled=1e6)) is None
        found = taken(RotationState(tokens, registered(A), accepted=True))
        assert found is not None
        assert (found.registered, found.next, found.previous) == (B, None, (A,))

    @pytest.mark.parametrize(
        ("settled", "where", "ends"),
        [(PACE.overlap, (B,), True), (PACE.overlap - 1, (B,), False), (1e6, (A,), False), (1e6, (A, B), False), (1e6, (), False)],
    )  # fmt: skip
    def test_an_earlier_token_ends_after_the_overlap(
        self, settled: float, where: tuple[PathToken, ...], ends: bool
    ) -> None:
        """The time counts from the moment at which no entry has the old token any more."""
        tokens = PathTokens(registered=B, previous=(A,))
        expected = PathTokens(registered=B, ended=(digest(A.value),)) if ends else None
        assert taken(RotationState(tokens, registered(*where), settled=settled)) == expected

    @pytest.mark.parametrize(
        ("options", "due"),
        [
            ({"age": PACE.period}, True),
            ({"age": PACE.period - 1}, False),
            ({"disturbed": True}, True),
            ({"shown": True, "age": PACE.overlap}, True),
            ({"shown": True, "age": PACE.overlap - 1}, False),
            ({"age": 1e6, "managed": False}, False),
            ({"disturbed": True, "managed": False}, False),
        ],
    )
    def test_a_new_token_comes_after_the_period_and_after_an_outage(self, options: dict[str, Any], due: bool) -> None:
        """If an administrator registers by hand, never."""
        expected = PathTokens(registered=A, next=NEW) if due else None
        assert taken(RotationState(PathTokens(registered=A), registered(A), **options)) == expected

    def test_nothing_is_rotated_while_nothing_is_registered(self) -> None:
        """An administrator turned catflap off, or it is not registered yet."""
        assert taken(RotationState(PathTokens(registered=A), frozenset(), age=1e6, disturbed=True)) is None

    def test_a_token_registered_by_others_stays_registered(self) -> None:
        """Others replaced the Secret, or restored an old configuration: API servers use that path, and the next token follows at once."""
        assert taken(RotationState(PathTokens(registered=A), registered(C))) == PathTokens(
            registered=PathToken(C.value, NEW.since), next=NEW, previous=(A,)
        )
        assert taken(RotationState(PathTokens(registered=A), registered(A, C))) == PathTokens(
            registered=A, previous=(PathToken(C.value, NEW.since),)
        ), "of two, the one that is stored goes on"
        by_hand = taken(RotationState(PathTokens(registered=A), registered(C), managed=False))
        assert by_hand is not None
        assert by_hand.registered is not None
        assert (by_hand.registered.value, by_hand.accepted) == (C.value, (C.value, A.value))

    def test_no_more_tokens_are_kept_than_a_secret_may_have(self) -> None:
        """The bound holds for any number of foreign registrations."""
        tokens, remembered = PathTokens(registered=A, next=B), None
        for number in range(50):
            found = taken(RotationState(tokens, frozenset({f"{number:043}"}), remembered=remembered))
            assert found is not None
            tokens, remembered = found, tokens
        assert len(tokens.previous) == MAX_UNKNOWN
        assert len(tokens.accepted) <= MOST_TOKENS
        assert parse_tokens(build_secret(tokens, "own")) == tokens

    def test_the_end_of_what_a_backup_removed_is_named(self) -> None:
        """Servers keep the missing tokens, so their end has to be stored; ended tokens stay ended."""
        remembered = PathTokens(registered=B, next=NEW, previous=(A,), ended=(digest("x"),))
        restored = PathTokens(registered=C, ended=(digest(A.value),))
        found = taken(RotationState(restored, registered(B), remembered=remembered))
        assert found is not None
        assert found.registered is not None
        assert (found.registered.value, found.previous) == (B.value, (C, NEW))
        assert set(found.without_previous.ended) == {digest(A.value), digest(C.value), digest(NEW.value)}


ENTRY: Final = {"name": "pods.catflap.dev"}


@pytest.mark.parametrize(
    ("config", "token"),
    [
        (Endpoint("", "own", service="s", token=A.value).client_config("/validate"), A.value),
        (Endpoint("", "own", url="https://h:1/prefix", token=A.value).client_config("/mutate"), A.value),
        (Endpoint("", "own", service="s").client_config("/validate"), PLAIN),
        (Endpoint("", "own", url="https://h").client_config("/mutate"), PLAIN),
        ({}, PLAIN),
        ({"service": {"name": "s", "namespace": "n"}}, PLAIN),
    ],
)
def test_the_token_is_what_follows_the_phase(config: Json, token: str) -> None:
    """Return the tokens of a Service and of a URL."""
    assert token_of({**ENTRY, "clientConfig": config}) == token
    assert registered_tokens({"webhooks": [{**ENTRY, "clientConfig": config}]}, None, {}) == {token}
    assert registered_tokens({"webhooks": [{"name": "pods.example.com", "clientConfig": config}]}) == frozenset()


@dataclass
class Store:
    """The API server's objects as the controller reads and writes them, with all their versions."""

    secrets: list[Json] = field(default_factory=list)
    configurations: list[str] = field(default_factory=list)  # the token in both configurations

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the current version of an object."""
        if "/secrets/" in path:
            return self.secrets[-1] if self.secrets else None
        if not self.configurations:
            return None
        where = {"service": {"name": "s", "namespace": "n", "path": f"/validate/{self.configurations[-1]}".rstrip("/")}}
        return {"webhooks": [{**ENTRY, "clientConfig": where}]}

    def create(self, _path: str, body: Json) -> Json | None:
        """Create the Secret."""
        if self.secrets:
            return None
        return self.put(body)

    def replace(self, path: str, body: Json) -> Json:
        """Replace the version of the Secret that is named."""
        if "/secrets/" not in path or body["metadata"]["resourceVersion"] != str(len(self.secrets)):
            raise ApiError(CONFLICT, "conflict")
        return self.put(body)

    def put(self, body: Json) -> Json:
        """Add a version."""
        metadata = {**body["metadata"], "resourceVersion": str(len(self.secrets) + 1)}
        self.secrets.append({**body, "metadata": metadata})
        return self.secrets[-1]


@dataclass
class Server:
    """A server replica. It has seen a number of versions of the Secret, and is ready after the first."""

    store: Store
    seen: int = 0
    tokens: Accepted = field(default_factory=Accepted)

    @property
    def accepted(self) -> tuple[str, ...]:
        """Return whether the versions that it saw contain the token."""
        return self.tokens.values

    def record_tokens(self, version: int) -> None:
        """Let its watch deliver a version of the Secret, perhaps without the ones in between."""
        if 0 < version <= len(self.store.secrets) and version != self.seen:
            self.seen = version
            self.tokens = self.tokens.after(parse_tokens(self.store.secrets[version - 1]))

    def restart(self) -> None:
        """Read the Secret and the registration, and become ready."""
        self.seen, self.tokens = 0, Accepted()
        self.record_tokens(len(self.store.secrets))
        for token in self.store.configurations[-1:]:
            self.tokens = self.tokens.keeping(token) if token else self.tokens


@dataclass
class ApiServer:
    """An API server: it calls webhooks as the last version of the configurations that it saw requires."""

    store: Store
    seen: int = 0
    behind_since: float = 0.0

    @property
    def token(self) -> str | None:
        """Return the token to which it sends reviews."""
        return self.store.configurations[self.seen - 1] if self.seen else None


LAG: Final = PACE.overlap * 0.9  # the longest that an API server misses a change


class World:
    """The whole system with its own clock."""

    def __init__(self, *, servers: int, api_servers: int, plain: bool) -> None:
        self.time = 1000.0
        self.restored = -1000.0
        self.backups = 0  # the number of versions before the first restore
        self.store = Store(configurations=[PLAIN] if plain else [])
        self.servers = [Server(self.store) for _ in range(servers)]
        self.api_servers = [ApiServer(self.store, seen=len(self.store.configurations)) for _ in range(api_servers)]
        self.controllers = [self._controller() for _ in range(2)]
        self.pending: list[tuple[int, str]] = []  # passes of the registration that read the token and did not write yet

    def _controller(self) -> PathRotator:
        return PathRotator(
            self.store,  # type: ignore[arg-type]
            own_namespace="own",
            servers=self,
            is_leader=lambda: True,  # both: another replica may take a Lease while its old holder still acts
            now=lambda: BEGIN + timedelta(seconds=self.time),
            schedule=PACE,
            clock=lambda: self.time,
        )

    def accept(self, token: str) -> ProbeResult:
        """Probe every ready server."""
        ready = [one for one in self.servers if one.seen]
        if not ready or not all(token in one.accepted for one in ready):
            raise TokenNotAccepted("a server")
        return ProbeResult(each=True)

    def restart_server(self, server: Server) -> None:
        """A server that starts soon after a restore knows the stored and registered tokens.

        A lagging API server may use a token that is in neither; docs/security.md says so.
        """
        if self.time - self.restored <= PACE.overlap:
            for one in self.api_servers:
                self.catch_up(one)
        server.restart()

    def restore(self, version: int) -> None:
        """A backup restores an earlier version of the Secret, one from before the first restore.

        It does not happen at the moment when a token ended and servers have yet to see that. docs/security.md has
        both limits.
        """
        for server in self.servers:
            server.record_tokens(len(self.store.secrets) if server.seen else 0)
        self.backups = self.backups or len(self.store.secrets)
        found = self.store.secrets[version % self.backups]
        self.store.put(found)
        self.restored = self.time

    def pass_time(self, seconds: float) -> None:
        """Let time pass; parts that reach their lag bound catch up."""
        self.time += seconds
        for one in self.api_servers:
            if one.seen < len(self.store.configurations) and self.time - one.behind_since > LAG:
                self.catch_up(one)

    def work(self, minutes: int) -> None:
        """Let every part work for a while."""
        for _ in range(4 * minutes):
            self.pass_time(15.0)
            self.controllers[0].take_step()
            for server in self.servers:
                server.record_tokens(len(self.store.secrets))
            self.register(0)
            for one in self.api_servers:
                self.catch_up(one)
            self.check()

    def catch_up(self, one: ApiServer) -> None:
        """Let an API server see the current registration."""
        one.seen = len(self.store.configurations)

    def take_step(self, which: int) -> None:
        """Let a controller take a step."""
        self.controllers[which % 2].take_step()

    def restart_controller(self, which: int) -> None:
        """Restart it, so that it loses its observations."""
        self.controllers[which % 2] = self._controller()

    def begin_registration(self, which: int) -> None:
        """Let a controller read the registration, and then the token to register."""
        version = len(self.store.configurations)
        try:
            self.pending.append((version, self.controllers[which % 2].registered))
        except TokenUnavailable:
            return

    def register(self, which: int) -> None:
        """Read and write in one step."""
        self.begin_registration(which)
        while self.pending:
            self.end_registration()

    def end_registration(self) -> None:
        """Write, unless another controller wrote first."""
        if not self.pending:
            return
        version, token = self.pending.pop(0)
        if version == len(self.store.configurations) and self.store.get("") != self._with(token):
            for one in self.api_servers:
                if one.seen == version:
                    one.behind_since = self.time
            self.store.configurations.append(token)

    def _with(self, token: str) -> Json | None:
        return Store(configurations=[token]).get("")

    def check(self) -> None:
        """No API server sends a review to a ready server that does not accept it."""
        for api_server in self.api_servers:
            for server in self.servers:
                if api_server.token is not None and server.seen:
                    assert api_server.token in server.accepted


ACTIONS: Final = st.one_of(
    st.tuples(st.just("pass_time"), st.sampled_from([1.0, 20.0, 60.0])),
    st.tuples(st.just("look"), st.integers(0, 1)),
    st.tuples(st.just("register"), st.integers(0, 1)),
    st.tuples(st.just("begin"), st.integers(0, 1)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("server"), st.integers(0, 2)),
    st.tuples(st.just("server_jumps"), st.integers(0, 2)),
    st.tuples(st.just("api_server"), st.integers(0, 2)),
    st.tuples(st.just("restart_server"), st.integers(0, 2)),
    st.tuples(st.just("restart_controller"), st.integers(0, 1)),
)
RESTORES: Final = st.tuples(st.just("restore"), st.integers(0, 40))
# Most of the time everything works for a while. Otherwise no rotation would complete.
WORKING: Final = st.tuples(st.just("work"), st.integers(1, 5))


def play(world: World, action: str, value: float) -> None:
    """Apply one event."""
    number = int(value)
    server = world.servers[number % len(world.servers)]
    api_server = world.api_servers[number % len(world.api_servers)]
    actions: dict[str, Callable[[], None]] = {
        "pass_time": lambda: world.pass_time(value),
        "look": lambda: world.take_step(number),
        "register": lambda: world.register(number),
        "begin": lambda: world.begin_registration(number),
        "end": world.end_registration,
        "server": lambda: server.record_tokens(server.seen + 1 if server.seen else 0),
        "server_jumps": lambda: server.record_tokens(
            len(world.store.secrets) if server.seen else 0
        ),  # it misses versions
        "api_server": lambda: world.catch_up(api_server),
        "restart_server": lambda: world.restart_server(server),
        "restart_controller": lambda: world.restart_controller(number),
        "restore": lambda: world.restore(number),
        "work": lambda: world.work(number),
    }
    actions[action]()


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, min_size=20, max_size=120), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_no_review_is_refused_because_of_a_rotation(
    actions: list[tuple[str, float]], servers: int, api_servers: int, plain: bool
) -> None:
    """Two controllers act as leaders, servers lag without bound, API servers lag up to their bound, and all of them restart."""
    world = World(servers=servers, api_servers=api_servers, plain=plain)
    world.take_step(0)
    for one in world.servers:
        one.record_tokens(len(world.store.secrets))
    for action, value in actions:
        play(world, action, value)
        world.check()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ACTIONS, WORKING, RESTORES), min_size=10, max_size=40), st.integers(1, 3), st.integers(1, 3))
def test_no_review_is_refused_because_a_backup_is_restored(
    actions: list[tuple[str, float]], servers: int, api_servers: int
) -> None:
    """A backup restores any earlier version of the Secret at any time and repeatedly, while other parts lag and restart."""
    world = World(servers=servers, api_servers=api_servers, plain=False)
    for action, value in (("look", 0), ("server_jumps", 0), ("register", 0), *actions):
        for one in world.servers if not world.servers[0].seen else ():
            one.record_tokens(len(world.store.secrets))
        play(world, action, value)
        world.check()


def test_an_undisturbed_rotation_never_ends() -> None:
    """Each period has a new token, and the earlier one is accepted for the overlap only."""
    world = World(servers=2, api_servers=1, plain=True)
    seen: list[str] = []
    for _ in range(int(20 * PACE.period / 5)):
        world.take_step(0)
        for action in ("server", "register"):
            play(world, action, 0)
        for server in world.servers:
            server.record_tokens(len(world.store.secrets))
        for api_server in world.api_servers:
            world.catch_up(api_server)
        world.check()
        if not seen or world.store.configurations[-1] != seen[-1]:
            seen.append(world.store.configurations[-1])
        assert len(parse_tokens(world.store.secrets[-1]).accepted) <= 3
        world.pass_time(5.0)
    assert seen[0] == PLAIN
    assert len(seen) == len(set(seen)) >= 19
    assert PLAIN not in parse_tokens(world.store.secrets[-1]).accepted


def rotating(store: Store, servers: Any, **options: Any) -> PathRotator:
    """Return a leading controller; its clock is fixed unless an option says otherwise."""
    usual = {"is_leader": lambda: True, "now": lambda: BEGIN, "schedule": PACE, "clock": lambda: 1000.0}
    return PathRotator(store, own_namespace="own", servers=servers, **{**usual, **options})  # type: ignore[arg-type]


class Obedient:
    """Servers that accept a token or do not; `each` is true if every server was probed."""

    def __init__(self, *, each: bool = True) -> None:
        self.up, self.late = True, 0
        self._each = each

    def accept(self, token: str) -> ProbeResult:  # noqa: ARG002 (any)
        """Return the configured answer."""
        if not self.up:
            raise TokenNotAccepted("nobody answers")
        return ProbeResult(self._each, {"server": self.late})


def settle(controller: PathRotator, store: Store, steps: int = 6) -> str:
    """Let a controller take steps, and the registration follow; return the registered token."""
    for _ in range(steps):
        controller.take_step()
        store.configurations.append(controller.registered)
    return store.configurations[-1]


def test_after_an_outage_the_path_is_another_one_at_once() -> None:
    """The message of each failed request showed the path to its user."""
    store, servers = Store(), Obedient()
    controller = rotating(store, servers)
    before = settle(controller, store)
    assert settle(controller, store) == before
    servers.up = False
    assert settle(controller, store) == before
    servers.up = True
    assert settle(controller, store) != before


def test_where_not_every_server_can_be_asked_a_token_settles_first() -> None:
    """Servers behind a URL need as long as a watch may take to reconnect."""
    store, time = Store(configurations=[PLAIN]), [1000.0]
    controller = rotating(store, Obedient(each=False), clock=lambda: time[0])
    assert settle(controller, store) == PLAIN
    time[0] += PACE.settle
    assert settle(controller, store) != PLAIN


def test_a_follower_takes_only_the_first_step() -> None:
    """A server must not wait for a Lease."""
    store = Store()
    follower = rotating(store, Obedient(), is_leader=lambda: False)
    before = settle(follower, store)
    assert len(store.secrets) == 1
    store.secrets[-1]["data"] = {}
    with pytest.raises(TokenUnavailable, match="writes it again"):
        follower.take_step() or follower.registered
    assert len(store.secrets) == 1
    assert settle(rotating(store, Obedient()), store) == before, "the one that is registered goes on"


@pytest.mark.parametrize(
    "lose",
    [lambda store: store.secrets.clear(), lambda store: store.secrets[-1].update(data={})],
    ids=["deleted", "spoiled"],
)
@pytest.mark.parametrize("steps", range(1, 8))
def test_a_secret_that_is_lost_at_any_step_is_stored_again_whole(lose: Callable[[Store], None], steps: int) -> None:
    """An API server may still use an earlier path, so deleting the Secret must not stop its reviews."""
    store = Store(configurations=[PLAIN])
    controller = rotating(store, Obedient())
    settle(controller, store, steps)
    before = parse_tokens(store.secrets[-1]).accepted
    lose(store)
    controller.take_step()
    assert parse_tokens(store.secrets[-1]).accepted == before


@pytest.mark.parametrize(("wall", "rotates"), [(0.0, False), (PACE.period, True), (-1e6, False), (1e9, True)])
def test_a_controller_that_starts_again_and_again_rotates_by_the_time_on_record(wall: float, rotates: bool) -> None:
    """A wrong clock causes more rotations. It never drops a token early, as that depends on the process's own clock."""
    store = Store()
    before = settle(rotating(store, Obedient()), store)
    again: Callable[[], datetime] = lambda: BEGIN + timedelta(seconds=wall)  # noqa: E731
    after = settle(rotating(store, Obedient(), now=again), store)
    assert (after != before) is rotates
    assert before in parse_tokens(store.secrets[-1]).accepted


def restored_world() -> tuple[World, str, str]:
    """A system after some rotations, in which a backup restores the Secret; one of two servers did not see the change yet."""
    world = World(servers=2, api_servers=1, plain=False)
    world.take_step(0)
    for one in world.servers:
        one.record_tokens(1)
    world.work(20)
    first, current = parse_tokens(world.store.secrets[0]).accepted[0], world.store.configurations[-1]
    assert first not in world.servers[1].accepted
    world.restore(0)
    world.servers[0].record_tokens(len(world.store.secrets))
    world.check()
    return world, first, current


def test_what_others_stored_is_not_registered_before_every_server_accepts_it() -> None:
    """The registration reads the Secret by itself, and may do so before the rotator."""
    world, first, current = restored_world()
    with pytest.raises(TokenUnavailable, match="is not stored"):
        _ = world.controllers[0].registered
    world.servers[1].record_tokens(len(world.store.secrets))
    with pytest.raises(TokenUnavailable, match="is not stored"):
        _ = world.controllers[0].registered
    world.store.put(build_secret(replace(parse_tokens(world.store.secrets[-1]), previous=(PathToken(current),)), "own"))
    assert world.controllers[0].registered == first, "every server accepts it, and servers that start accept both"
    world.store.put(build_secret(PathTokens(registered=C, previous=(PathToken(current),)), "own"))
    with pytest.raises(TokenUnavailable, match="not registered yet: a server"):
        _ = world.controllers[0].registered


def test_a_registered_token_survives_a_restored_backup_until_its_rotation() -> None:
    """The token of the backup ends with the next rotation, and no server keeps tokens for ever."""
    world, first, current = restored_world()
    world.restart_controller(0)  # it has no observations
    world.take_step(0)
    stored = parse_tokens(world.store.secrets[-1])
    assert stored.registered is not None
    assert (stored.registered.value, stored.next is not None) == (current, True)
    assert first in stored.accepted
    world.work(20)
    for server in world.servers:
        assert not {first, current} & set(server.accepted)
        assert set(server.accepted) == set(parse_tokens(world.store.secrets[-1]).accepted)


def test_a_secret_that_cannot_be_changed_is_created_again() -> None:
    """The API server rejects each update of an immutable Secret as invalid."""
    store = Unchangeable()
    controller = rotating(store, Obedient())
    before = settle(controller, store)
    store.secrets[-1]["immutable"] = True
    controller = rotating(store, Obedient(), clock=lambda: 1e6, now=lambda: BEGIN + timedelta(seconds=PACE.period))
    assert settle(controller, store) != before
    assert "immutable" not in store.secrets[-1]
    assert store.deleted == 1


class Unchangeable(Store):
    """An API server that rejects updates of an immutable Secret, and deletes by uid and version."""

    deleted: int = 0

    def replace(self, path: str, body: Json) -> Json:
        """Reject the update, as the API server's validation does."""
        if self.secrets[-1].get("immutable"):
            raise ApiError(INVALID, "field is immutable")
        return super().replace(path, body)

    def put(self, body: Json) -> Json:
        """Create the Secret with a uid."""
        return super().put({**body, "metadata": {**body["metadata"], "uid": "u"}})

    def delete(self, _path: str, *, uid: str, version: str) -> bool:
        """Delete exactly the version that was read."""
        assert (uid, version) == ("u", self.secrets[-1]["metadata"]["resourceVersion"])
        self.secrets.clear()
        self.deleted += 1
        return True


def test_a_review_that_was_answered_too_late_has_the_path_changed_once_in_the_overlap() -> None:
    """The API server showed the path to a user. Repeated failures cost one rotation per overlap."""
    store, servers, time = Store(), Obedient(), [1000.0]
    controller = rotating(store, servers, clock=lambda: time[0])
    seen = [settle(controller, store)]
    for _ in range(40):  # a quarter of the overlap each
        servers.late += 1
        time[0] += PACE.overlap / 4
        if (current := settle(controller, store)) != seen[-1]:
            seen.append(current)
    assert len(seen) == len(set(seen))
    assert 8 <= len(seen) <= 11, "once in the overlap"
    servers.late += 0
    time[0] += PACE.overlap
    settle(controller, store)
    assert settle(controller, store) == store.configurations[-1]


def test_what_keeps_the_path_from_being_changed_is_shown_with_its_age() -> None:
    """The servers reject the token, or the API server rejects the write."""
    store, servers, time = Store(), Obedient(), [1000.0]
    looks: list[tuple[float, str]] = []
    options = {"clock": lambda: time[0], "now": lambda: BEGIN + timedelta(seconds=time[0])}
    controller = rotating(store, servers, on_probe=lambda age, trouble: looks.append((age, trouble)), **options)
    settle(controller, store)
    assert looks[-1] == (0.0, "")
    servers.up = False
    time[0] += 50
    controller.take_step()
    assert looks[-1] == (50.0, "nobody answers")
