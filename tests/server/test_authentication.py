"""Reviews without proof are refused by both lanes before their body is read, and leave nothing but a count."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.controlplane.pki import Authority, Identity
from tests.programs import JSON, Answer, Program, serve
from tests.reviews import GOOD, encoded, pod
from tests.server.conftest import WORKERS
from webhook.config.default import DEFAULT_POLICY
from webhook.server.status_server import PAGES_PER_SECOND

TOKEN: Final = "g0od-token-" + "x" * 32
OLDER: Final = "0lder-token" + "y" * 32
REVIEW: Final = encoded(pod(GOOD))
STRANGERS: Final = [
    "/validate", "/mutate", "/validate/" + "z" * 43, "/mutate/" + TOKEN[:-1], f"/validate/{TOKEN}x", "/validate/%2e%2e",
    f"/validate/{TOKEN.upper()}", "/validate?timeout=5s", f"/validate/x?{TOKEN}",
]  # fmt: skip
OTHERS: Final = ["/", "/validate/", f"/validate/{TOKEN}/", f"/validate/{TOKEN}/x", f"/{TOKEN}"]


@pytest.fixture(scope="module", params=WORKERS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server of each lane that takes reviews at secret paths."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    (folder / "tokens").write_text(f"{TOKEN}\n{OLDER}\n", encoding="ascii")
    arguments = ("--standalone", "--policy", str(folder / "policy.yaml"), "--worker", request.param)
    with serve(folder, *arguments, "--path-token-file", str(folder / "tokens")) as program:
        yield program


def refusals(program: Program) -> float:
    """How many reviews were answered by 401."""
    time.sleep(1.2 / PAGES_PER_SECOND)  # a page that is asked for more often is an earlier one
    lines = program.status("/metrics").body.decode().splitlines()
    [line] = (one for one in lines if one.startswith('catflap_bad_reviews_total{status="401"}'))
    return float(line.rsplit(" ", 1)[1])


@pytest.mark.parametrize("path", [f"/validate/{TOKEN}", f"/mutate/{OLDER}", f"/validate/{TOKEN}?timeout=5s"])
def test_each_token_in_force_is_taken(guarded: Program, path: str) -> None:
    """The one that is registered and the one before; the record says how, and never by which."""
    assert guarded.post(path, REVIEW).response["allowed"] is True
    assert guarded.records("decision")[-1]["senderAuthentication"] == "path"


def test_a_stranger_gets_one_answer_over_a_connection(guarded: Program) -> None:
    """Requests that were sent behind the first one are not looked at."""
    counted = refusals(guarded)
    request = (
        b"POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    context = ssl.create_default_context(cafile=str(guarded.authority))
    with (
        socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(request * 300)
        answers = b""
        with suppress(OSError):  # what was sent and not read ends it by a reset
            while block := secure.recv(1 << 16):
                answers += block
    assert answers.count(b"HTTP/1.1 401") <= 1
    assert refusals(guarded) == counted + 1


@pytest.mark.parametrize("path", STRANGERS)
def test_a_stranger_is_refused_counted_and_not_recorded(guarded: Program, path: str) -> None:
    """With one and the same answer, whatever the path came near to."""
    records, counted = len(guarded.records("decision")), refusals(guarded)
    answer = guarded.post(path, REVIEW)
    assert (answer.status, b"not authenticated" in answer.body) == (401, True)
    assert (len(guarded.records("decision")), refusals(guarded)) == (records, counted + 1)


@pytest.mark.parametrize("path", OTHERS)
def test_what_is_no_path_of_reviews_is_a_404(guarded: Program, path: str) -> None:
    """As before; such a path says nothing of tokens."""
    assert guarded.post(path, REVIEW).status == http.client.NOT_FOUND


@pytest.mark.parametrize(("token", "status"), [(f"/{TOKEN}", 405), ("", 401), ("/" + "z" * 43, 401)])
def test_whether_a_path_is_in_force_can_be_asked_without_a_review(guarded: Program, token: str, status: int) -> None:
    """The controller does, before it registers the path."""
    connection = guarded.connect()
    connection.request("GET", f"/validate{token}")
    assert connection.getresponse().status == status
    connection.close()


def test_the_answer_comes_before_the_body_is_read(guarded: Program) -> None:
    """A stranger who announces 5 MB and sends none of it is told at once."""
    connection = guarded.connect()
    connection.putrequest("POST", "/validate")
    for name, value in {**JSON, "Content-Length": str(5_000_000)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == http.client.UNAUTHORIZED
    connection.close()


def test_no_log_and_no_record_has_a_token(guarded: Program) -> None:
    """Good reviews, bad ones and broken ones: what is written down about them does not open the door."""
    for body in (REVIEW, b"{", b"", encoded(pod())):
        for path in (f"/validate/{TOKEN}", f"/mutate/{OLDER}"):
            guarded.post(path, body)
    raw = guarded.connect()
    raw.connect()
    raw.sock.sendall(f"POST /validate/{TOKEN} HTTP/1.1\r\nContent-Length: -1\r\n\r\n".encode())
    raw.close()
    written = guarded.log() + guarded.audit_log.read_text(encoding="utf-8")
    written += guarded.status("/metrics").body.decode() + guarded.status("/readyz").body.decode()
    assert not [token for token in (TOKEN, OLDER) if token in written]


def test_a_changed_file_counts_soon_and_a_broken_one_changes_nothing(tmp_path: Path, policy: Path) -> None:
    """So tokens are rotated: the new one is added, registered, and then the old one goes."""
    tokens = tmp_path / "tokens"
    tokens.write_text(OLDER, encoding="ascii")
    with serve(tmp_path, "--standalone", "--policy", str(policy), "--path-token-file", str(tokens)) as program:
        tokens.write_text(TOKEN, encoding="ascii")
        deadline = time.monotonic() + 10
        while program.post(f"/validate/{TOKEN}", REVIEW).status != http.client.OK:
            assert time.monotonic() < deadline
        assert program.post(f"/validate/{OLDER}", REVIEW).status == http.client.UNAUTHORIZED
        tokens.write_text("", encoding="ascii")
        time.sleep(1.0)  # two looks
        assert program.post(f"/validate/{TOKEN}", REVIEW).status == http.client.OK
        assert "the tokens of the review path stay as they were" in program.log()


class Certified:
    """A server that asks for client certificates, and clients with and without one."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self._folder = folder

    def post(self, identity: Identity | None, path: str = "/validate") -> Answer:
        """POST as a client with a certificate, or without.  Raises OSError where TLS refuses it."""
        context = ssl.create_default_context(cafile=str(self.program.authority))
        if identity is not None:
            context.load_cert_chain(*identity.write(self._folder, "client"))
        connection = http.client.HTTPSConnection("localhost", self.program.port, context=context, timeout=10)
        try:
            connection.request("POST", path, REVIEW, dict(JSON))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()


AUTHORITY: Final = Authority("webhook-clients")


@pytest.fixture(scope="module", params=WORKERS)
def certified(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    """A server of each lane that takes reviews from `kube-apiserver` alone."""
    folder = tmp_path_factory.mktemp("certified")
    (folder / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    (folder / "clients.crt").write_bytes(AUTHORITY.certificate)
    arguments = ("--standalone", "--policy", str(folder / "policy.yaml"), "--worker", request.param)
    trust = ("--client-ca", str(folder / "clients.crt"), "--client-name", "kube-apiserver")
    with serve(folder, *arguments, *trust) as program:
        yield Certified(program, folder)


@pytest.mark.parametrize("path", ["/validate", "/mutate", f"/validate/{TOKEN}"])
def test_a_certificate_of_the_ca_is_taken_at_each_path(certified: Certified, path: str) -> None:
    """The controller registers a secret path all the same."""
    assert certified.post(AUTHORITY.issue("kube-apiserver"), path).response["allowed"] is True
    assert certified.program.records("decision")[-1]["senderAuthentication"] == "client-certificate"


@pytest.mark.parametrize("identity", [None, AUTHORITY.issue("stranger")], ids=["none", "another name"])
def test_without_a_certificate_of_that_name_a_review_is_refused(
    certified: Certified, identity: Identity | None
) -> None:
    """In HTTP, so that the sender reads why."""
    records, counted = len(certified.program.records("decision")), refusals(certified.program)
    answer = certified.post(identity)
    assert (answer.status, b"not authenticated" in answer.body) == (401, True)
    assert (len(certified.program.records("decision")), refusals(certified.program)) == (records, counted + 1)


@pytest.mark.parametrize(
    "identity",
    [Authority("webhook-clients").issue("kube-apiserver"), AUTHORITY.issue("kube-apiserver", hosts=["kube-apiserver"])],
    ids=["another CA of that name", "a server's certificate"],
)
def test_what_tls_cannot_verify_gets_no_answer(certified: Certified, identity: Identity) -> None:
    """The handshake fails, and good clients go on."""
    with pytest.raises((OSError, http.client.HTTPException)):
        certified.post(identity)
    assert certified.post(AUTHORITY.issue("kube-apiserver")).status == http.client.OK


def test_probes_need_no_certificate(certified: Certified) -> None:
    """They are on another port."""
    assert certified.program.status("/readyz").status == http.client.OK
    with socket.create_connection(("127.0.0.1", certified.program.status_port), timeout=5):
        pass
