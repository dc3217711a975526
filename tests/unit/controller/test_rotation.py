"""The secret path changes without a request that fails: each step by itself, and all of them against servers and API servers that lag."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from webhook.controller.registration import Endpoint
from webhook.controller.rotating import Heard, NoToken, Refuses, Rotating
from webhook.controller.rotation import MOST_UNKNOWN, Pace, Situation, step
from webhook.kube.api import CONFLICT, INVALID, ApiError, Json
from webhook.kube.webhook_path import MOST_TOKENS, read, registered_tokens, token_of, write
from webhook.model.path_tokens import PLAIN, Accepted, PathToken, PathTokens, digest

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
PACE: Final = Pace(300.0)
A, B, C = (PathToken(letter * 43) for letter in "abc")
NEW: Final = PathToken("n" * 43)


def taken(situation: Situation) -> PathTokens | None:
    """What the next step stores."""
    found = step(situation, PACE, lambda: NEW)
    return found.tokens if found else None


def registered(*tokens: PathToken) -> frozenset[str]:
    """What is in the webhook configurations."""
    return frozenset(one.value for one in tokens)


class TestSteps:
    """One step at a time, from what is stored and registered."""

    def test_the_first_token_is_registered_at_once(self) -> None:
        """No API server uses another one."""
        assert taken(Situation(None, frozenset())) == PathTokens(registered=NEW)

    @pytest.mark.parametrize("value", [PLAIN, A.value])
    def test_a_path_that_is_registered_goes_on(self, value: str) -> None:
        """By an earlier release, or stored in a Secret that is gone."""
        found = taken(Situation(None, frozenset({value})))
        assert found is not None
        assert found.accepted == (value,)

    def test_the_plain_path_is_replaced_without_delay(self) -> None:
        """It is no secret; but it is replaced by the same steps."""
        plain = PathTokens(registered=PathToken(PLAIN))
        assert taken(Situation(plain, frozenset({PLAIN}))) == PathTokens(registered=PathToken(PLAIN), next=NEW)

    def test_a_next_token_is_registered_once_every_server_accepts_it(self) -> None:
        """And not before, however long that takes."""
        tokens = PathTokens(registered=A, next=B)
        assert taken(Situation(tokens, registered(A), age=1e6, settled=1e6)) is None
        found = taken(Situation(tokens, registered(A), accepted=True))
        assert found is not None
        assert (found.registered, found.next, found.previous) == (B, None, (A,))

    @pytest.mark.parametrize(
        ("settled", "where", "ends"),
        [(PACE.overlap, (B,), True), (PACE.overlap - 1, (B,), False), (1e6, (A,), False), (1e6, (A, B), False), (1e6, (), False)],
    )  # fmt: skip
    def test_an_earlier_token_ends_after_the_overlap(
        self, settled: float, where: tuple[PathToken, ...], ends: bool
    ) -> None:
        """Counted from the moment at which no entry has it any more."""
        tokens = PathTokens(registered=B, previous=(A,))
        expected = PathTokens(registered=B, ended=(digest(A.value),)) if ends else None
        assert taken(Situation(tokens, registered(*where), settled=settled)) == expected

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
        """By whom registers by hand, never."""
        expected = PathTokens(registered=A, next=NEW) if due else None
        assert taken(Situation(PathTokens(registered=A), registered(A), **options)) == expected

    def test_nothing_is_rotated_while_nothing_is_registered(self) -> None:
        """An administrator turned catflap off, or it is not registered yet."""
        assert taken(Situation(PathTokens(registered=A), frozenset(), age=1e6, disturbed=True)) is None

    def test_what_others_registered_goes_on_being_registered(self) -> None:
        """They replaced the Secret, or put back a configuration of yesterday: API servers use that path, and the next one comes at once."""
        assert taken(Situation(PathTokens(registered=A), registered(C))) == PathTokens(
            registered=PathToken(C.value, NEW.since), next=NEW, previous=(A,)
        )
        assert taken(Situation(PathTokens(registered=A), registered(A, C))) == PathTokens(
            registered=A, previous=(PathToken(C.value, NEW.since),)
        ), "of two, the one that is stored goes on"
        by_hand = taken(Situation(PathTokens(registered=A), registered(C), managed=False))
        assert by_hand is not None
        assert by_hand.registered is not None
        assert (by_hand.registered.value, by_hand.accepted) == (C.value, (C.value, A.value))

    def test_no_more_tokens_are_kept_than_a_secret_may_have(self) -> None:
        """Whatever somebody registers again and again."""
        tokens, remembered = PathTokens(registered=A, next=B), None
        for number in range(50):
            found = taken(Situation(tokens, frozenset({f"{number:043}"}), remembered=remembered))
            assert found is not None
            tokens, remembered = found, tokens
        assert len(tokens.previous) == MOST_UNKNOWN
        assert len(tokens.accepted) <= MOST_TOKENS
        assert read(write(tokens, "own")) == tokens

    def test_the_end_of_what_a_backup_removed_is_named(self) -> None:
        """Servers keep what disappeared, so its end has to reach them; what had ended before stays ended."""
        remembered = PathTokens(registered=B, next=NEW, previous=(A,), ended=(digest("x"),))
        restored = PathTokens(registered=C, ended=(digest(A.value),))
        found = taken(Situation(restored, registered(B), remembered=remembered))
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
    """Of a Service and of a URL."""
    assert token_of({**ENTRY, "clientConfig": config}) == token
    assert registered_tokens({"webhooks": [{**ENTRY, "clientConfig": config}]}, None, {}) == {token}
    assert registered_tokens({"webhooks": [{"name": "pods.example.com", "clientConfig": config}]}) == frozenset()


@dataclass
class Store:
    """The API server's objects as the controller reads and writes them, with every version that ever was."""

    secrets: list[Json] = field(default_factory=list)
    configurations: list[str] = field(default_factory=list)  # the token that both have

    def get(self, path: str, **_query: str) -> Json | None:
        """One object as it is now."""
        if "/secrets/" in path:
            return self.secrets[-1] if self.secrets else None
        if not self.configurations:
            return None
        where = {"service": {"name": "s", "namespace": "n", "path": f"/validate/{self.configurations[-1]}".rstrip("/")}}
        return {"webhooks": [{**ENTRY, "clientConfig": where}]}

    def create(self, _path: str, body: Json) -> Json | None:
        """The Secret, where there is none."""
        if self.secrets:
            return None
        return self.put(body)

    def replace(self, path: str, body: Json) -> Json:
        """The Secret, over the version that it names."""
        if "/secrets/" not in path or body["metadata"]["resourceVersion"] != str(len(self.secrets)):
            raise ApiError(CONFLICT, "conflict")
        return self.put(body)

    def put(self, body: Json) -> Json:
        """A further version."""
        metadata = {**body["metadata"], "resourceVersion": str(len(self.secrets) + 1)}
        self.secrets.append({**body, "metadata": metadata})
        return self.secrets[-1]


@dataclass
class Server:
    """One replica that serves: it has seen so many versions of the Secret, and is not ready before the first."""

    store: Store
    seen: int = 0
    tokens: Accepted = field(default_factory=Accepted)

    @property
    def accepted(self) -> tuple[str, ...]:
        """By what it has seen."""
        return self.tokens.values

    def see(self, version: int) -> None:
        """Its watch brings a version of the Secret, perhaps without those between."""
        if 0 < version <= len(self.store.secrets) and version != self.seen:
            self.seen = version
            self.tokens = self.tokens.after(read(self.store.secrets[version - 1]))

    def restart(self) -> None:
        """It reads the Secret and what is registered, and is ready then."""
        self.seen, self.tokens = 0, Accepted()
        self.see(len(self.store.secrets))
        for token in self.store.configurations[-1:]:
            self.tokens = self.tokens.keeping(token) if token else self.tokens


@dataclass
class ApiServer:
    """One API server: it calls webhooks as the version of the configurations says that it has seen."""

    store: Store
    seen: int = 0
    behind_since: float = 0.0

    @property
    def token(self) -> str | None:
        """What it sends reviews to."""
        return self.store.configurations[self.seen - 1] if self.seen else None


LAG: Final = PACE.overlap * 0.9  # the longest that an API server goes without seeing a change


class World:
    """Everything at once, on a clock of its own."""

    def __init__(self, *, servers: int, api_servers: int, plain: bool) -> None:
        self.time = 1000.0
        self.restored = -1000.0
        self.backups = 0  # how many versions there were before the first restore
        self.store = Store(configurations=[PLAIN] if plain else [])
        self.servers = [Server(self.store) for _ in range(servers)]
        self.api_servers = [ApiServer(self.store, seen=len(self.store.configurations)) for _ in range(api_servers)]
        self.controllers = [self._controller() for _ in range(2)]
        self.pending: list[tuple[int, str]] = []  # registrations that read what is stored and did not write yet

    def _controller(self) -> Rotating:
        return Rotating(
            self.store,  # type: ignore[arg-type]
            own_namespace="own",
            servers=self,
            leads=lambda: True,  # both: a Lease may be taken while its holder still acts
            now=lambda: BEGIN + timedelta(seconds=self.time),
            pace=PACE,
            clock=lambda: self.time,
        )

    def accept(self, token: str) -> Heard:
        """Every ready server is asked."""
        ready = [one for one in self.servers if one.seen]
        if not ready or not all(token in one.accepted for one in ready):
            raise Refuses("a server")
        return Heard(each=True)

    def restart_server(self, server: Server) -> None:
        """One that starts soon after a restore knows what is stored and what is registered.

        What an API server uses that lags at that moment may be in neither; docs/security.md says so.
        """
        if self.time - self.restored <= PACE.overlap:
            for one in self.api_servers:
                self.catch_up(one)
        server.restart()

    def restore(self, version: int) -> None:
        """A backup puts an earlier version of the Secret back, one of those before the first restore.

        Not in the very moment in which a token ended and servers have yet to see that.  docs/security.md has both limits.
        """
        for server in self.servers:
            server.see(len(self.store.secrets) if server.seen else 0)
        self.backups = self.backups or len(self.store.secrets)
        found = self.store.secrets[version % self.backups]
        self.store.put(found)
        self.restored = self.time

    def pass_time(self, seconds: float) -> None:
        """Time passes; who lags for too long catches up."""
        self.time += seconds
        for one in self.api_servers:
            if one.seen < len(self.store.configurations) and self.time - one.behind_since > LAG:
                self.catch_up(one)

    def work(self, minutes: int) -> None:
        """Every part does its duty for a while."""
        for _ in range(4 * minutes):
            self.pass_time(15.0)
            self.controllers[0].look()
            for server in self.servers:
                server.see(len(self.store.secrets))
            self.register(0)
            for one in self.api_servers:
                self.catch_up(one)
            self.check()

    def catch_up(self, one: ApiServer) -> None:
        """An API server sees what is registered now."""
        one.seen = len(self.store.configurations)

    def look(self, which: int) -> None:
        """A controller takes a step."""
        self.controllers[which % 2].look()

    def restart_controller(self, which: int) -> None:
        """It forgets what it saw."""
        self.controllers[which % 2] = self._controller()

    def begin_registration(self, which: int) -> None:
        """A controller reads what is registered, and after that which token it should be."""
        version = len(self.store.configurations)
        try:
            self.pending.append((version, self.controllers[which % 2].registered))
        except NoToken:
            return

    def register(self, which: int) -> None:
        """Both at once, after what others began."""
        self.begin_registration(which)
        while self.pending:
            self.end_registration()

    def end_registration(self) -> None:
        """It writes, unless somebody else did."""
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
# Most of the time everything works for a while, else no rotation would be completed.
WORKING: Final = st.tuples(st.just("work"), st.integers(1, 5))


def play(world: World, action: str, value: float) -> None:
    """One thing happens."""
    number = int(value)
    server = world.servers[number % len(world.servers)]
    api_server = world.api_servers[number % len(world.api_servers)]
    actions: dict[str, Callable[[], None]] = {
        "pass_time": lambda: world.pass_time(value),
        "look": lambda: world.look(number),
        "register": lambda: world.register(number),
        "begin": lambda: world.begin_registration(number),
        "end": world.end_registration,
        "server": lambda: server.see(server.seen + 1 if server.seen else 0),
        "server_jumps": lambda: server.see(len(world.store.secrets) if server.seen else 0),  # it misses versions
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
    """Two controllers that both believe to lead, servers that lag as long as they like, API servers up to their bound; restarts of all."""
    world = World(servers=servers, api_servers=api_servers, plain=plain)
    world.look(0)
    for one in world.servers:
        one.see(len(world.store.secrets))
    for action, value in actions:
        play(world, action, value)
        world.check()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ACTIONS, WORKING, RESTORES), min_size=10, max_size=40), st.integers(1, 3), st.integers(1, 3))
def test_no_review_is_refused_because_a_backup_is_restored(
    actions: list[tuple[str, float]], servers: int, api_servers: int
) -> None:
    """Any earlier version of the Secret, at any moment and again and again, while everything else lags and restarts."""
    world = World(servers=servers, api_servers=api_servers, plain=False)
    for action, value in (("look", 0), ("server_jumps", 0), ("register", 0), *actions):
        for one in world.servers if not world.servers[0].seen else ():
            one.see(len(world.store.secrets))
        play(world, action, value)
        world.check()


def test_an_undisturbed_rotation_goes_on_for_ever() -> None:
    """A new token each period, an earlier one for the overlap and no longer."""
    world = World(servers=2, api_servers=1, plain=True)
    seen: list[str] = []
    for _ in range(int(20 * PACE.period / 5)):
        world.look(0)
        for action in ("server", "register"):
            play(world, action, 0)
        for server in world.servers:
            server.see(len(world.store.secrets))
        for api_server in world.api_servers:
            world.catch_up(api_server)
        world.check()
        if not seen or world.store.configurations[-1] != seen[-1]:
            seen.append(world.store.configurations[-1])
        assert len(read(world.store.secrets[-1]).accepted) <= 3
        world.pass_time(5.0)
    assert seen[0] == PLAIN
    assert len(seen) == len(set(seen)) >= 19
    assert PLAIN not in read(world.store.secrets[-1]).accepted


def rotating(store: Store, servers: Any, **options: Any) -> Rotating:
    """A controller that leads, on a clock that stands still unless an option says otherwise."""
    usual = {"leads": lambda: True, "now": lambda: BEGIN, "pace": PACE, "clock": lambda: 1000.0}
    return Rotating(store, own_namespace="own", servers=servers, **{**usual, **options})  # type: ignore[arg-type]


class Obedient:
    """Servers that accept, or do not; `each` says whether each of them was asked."""

    def __init__(self, *, each: bool = True) -> None:
        self.up, self.late = True, 0
        self._each = each

    def accept(self, token: str) -> Heard:  # noqa: ARG002 (any)
        """As they are told."""
        if not self.up:
            raise Refuses("nobody answers")
        return Heard(self._each, {"server": self.late})


def settle(controller: Rotating, store: Store, steps: int = 6) -> str:
    """Let a controller take steps, and the registration follow; the token that is registered then."""
    for _ in range(steps):
        controller.look()
        store.configurations.append(controller.registered)
    return store.configurations[-1]


def test_after_an_outage_the_path_is_another_one_at_once() -> None:
    """The message of each request that failed showed the path to its user."""
    store, servers = Store(), Obedient()
    controller = rotating(store, servers)
    before = settle(controller, store)
    assert settle(controller, store) == before
    servers.up = False
    assert settle(controller, store) == before
    servers.up = True
    assert settle(controller, store) != before


def test_where_not_every_server_can_be_asked_a_token_settles_first() -> None:
    """As behind a URL: as long as a watch may need to come back."""
    store, time = Store(configurations=[PLAIN]), [1000.0]
    controller = rotating(store, Obedient(each=False), clock=lambda: time[0])
    assert settle(controller, store) == PLAIN
    time[0] += PACE.settle
    assert settle(controller, store) != PLAIN


def test_who_does_not_lead_takes_no_step_but_the_first() -> None:
    """A server must not wait for a Lease."""
    store = Store()
    follower = rotating(store, Obedient(), leads=lambda: False)
    before = settle(follower, store)
    assert len(store.secrets) == 1
    store.secrets[-1]["data"] = {}
    with pytest.raises(NoToken, match="writes it anew"):
        follower.look() or follower.registered
    assert len(store.secrets) == 1
    assert settle(rotating(store, Obedient()), store) == before, "the one that is registered goes on"


@pytest.mark.parametrize(
    "lose",
    [lambda store: store.secrets.clear(), lambda store: store.secrets[-1].update(data={})],
    ids=["deleted", "spoiled"],
)
@pytest.mark.parametrize("steps", range(1, 8))
def test_a_secret_that_is_lost_at_any_step_is_stored_again_whole(lose: Callable[[Store], None], steps: int) -> None:
    """An API server may still use an earlier path: who deletes the Secret must not stop its reviews."""
    store = Store(configurations=[PLAIN])
    controller = rotating(store, Obedient())
    settle(controller, store, steps)
    before = read(store.secrets[-1]).accepted
    lose(store)
    controller.look()
    assert read(store.secrets[-1]).accepted == before


@pytest.mark.parametrize(("wall", "rotates"), [(0.0, False), (PACE.period, True), (-1e6, False), (1e9, True)])
def test_a_controller_that_starts_again_and_again_rotates_by_the_time_on_record(wall: float, rotates: bool) -> None:
    """A wrong clock makes it rotate more often, and never drops a token early: that goes by its own."""
    store = Store()
    before = settle(rotating(store, Obedient()), store)
    again: Callable[[], datetime] = lambda: BEGIN + timedelta(seconds=wall)  # noqa: E731
    after = settle(rotating(store, Obedient(), now=again), store)
    assert (after != before) is rotates
    assert before in read(store.secrets[-1]).accepted


def restored_world() -> tuple[World, str, str]:
    """A world some rotations after its first token, whose Secret a backup puts back; one of two servers did not see that yet."""
    world = World(servers=2, api_servers=1, plain=False)
    world.look(0)
    for one in world.servers:
        one.see(1)
    world.work(20)
    first, current = read(world.store.secrets[0]).accepted[0], world.store.configurations[-1]
    assert first not in world.servers[1].accepted
    world.restore(0)
    world.servers[0].see(len(world.store.secrets))
    world.check()
    return world, first, current


def test_what_others_stored_is_not_registered_before_every_server_accepts_it() -> None:
    """The registration reads the Secret by itself, and may come before the rotation looks."""
    world, first, current = restored_world()
    with pytest.raises(NoToken, match="is not stored"):
        _ = world.controllers[0].registered
    world.servers[1].see(len(world.store.secrets))
    with pytest.raises(NoToken, match="is not stored"):
        _ = world.controllers[0].registered
    world.store.put(write(replace(read(world.store.secrets[-1]), previous=(PathToken(current),)), "own"))
    assert world.controllers[0].registered == first, "every server accepts it, and servers that start accept both"
    world.store.put(write(PathTokens(registered=C, previous=(PathToken(current),)), "own"))
    with pytest.raises(NoToken, match="not registered yet: a server"):
        _ = world.controllers[0].registered


def test_what_is_registered_goes_on_after_a_backup_was_restored_and_ends_by_its_rotation() -> None:
    """The path of the backup ends with it, and no server keeps anything for ever."""
    world, first, current = restored_world()
    world.restart_controller(0)  # it remembers nothing
    world.look(0)
    stored = read(world.store.secrets[-1])
    assert stored.registered is not None
    assert (stored.registered.value, stored.next is not None) == (current, True)
    assert first in stored.accepted
    world.work(20)
    for server in world.servers:
        assert not {first, current} & set(server.accepted)
        assert set(server.accepted) == set(read(world.store.secrets[-1]).accepted)


def test_a_secret_that_cannot_be_changed_is_created_again() -> None:
    """The API server refuses each update of an immutable one as invalid."""
    store = Unchangeable()
    controller = rotating(store, Obedient())
    before = settle(controller, store)
    store.secrets[-1]["immutable"] = True
    controller = rotating(store, Obedient(), clock=lambda: 1e6, now=lambda: BEGIN + timedelta(seconds=PACE.period))
    assert settle(controller, store) != before
    assert "immutable" not in store.secrets[-1]
    assert store.deleted == 1


class Unchangeable(Store):
    """An API server that refuses updates of an immutable Secret, and deletes what is asked by uid and version."""

    deleted: int = 0

    def replace(self, path: str, body: Json) -> Json:
        """As the API server's validation does."""
        if self.secrets[-1].get("immutable"):
            raise ApiError(INVALID, "field is immutable")
        return super().replace(path, body)

    def put(self, body: Json) -> Json:
        """With a uid."""
        return super().put({**body, "metadata": {**body["metadata"], "uid": "u"}})

    def delete(self, _path: str, *, uid: str, version: str) -> bool:
        """What was seen, and nothing else."""
        assert (uid, version) == ("u", self.secrets[-1]["metadata"]["resourceVersion"])
        self.secrets.clear()
        self.deleted += 1
        return True


def test_a_review_that_was_answered_too_late_has_the_path_changed_once_in_the_overlap() -> None:
    """The API server showed the path to its user; a user who provokes that again and again costs one rotation in the overlap."""
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
    """Servers that refuse, and an API server that does not take the write."""
    store, servers, time = Store(), Obedient(), [1000.0]
    looks: list[tuple[float, str]] = []
    options = {"clock": lambda: time[0], "now": lambda: BEGIN + timedelta(seconds=time[0])}
    controller = rotating(store, servers, on_look=lambda age, trouble: looks.append((age, trouble)), **options)
    settle(controller, store)
    assert looks[-1] == (0.0, "")
    servers.up = False
    time[0] += 50
    controller.look()
    assert looks[-1] == (50.0, "nobody answers")
