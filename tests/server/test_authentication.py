"""Both apps refuse unauthenticated reviews before their body is read, and only count them."""

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
UNAUTHENTICATED_PATHS: Final = [
    "/validate", "/mutate", "/validate/" + "z" * 43, "/mutate/" + TOKEN[:-1], f"/validate/{TOKEN}x", "/validate/%2e%2e",
    f"/validate/{TOKEN.upper()}", "/validate?timeout=5s", f"/validate/x?{TOKEN}",
]  # fmt: skip
OTHER_PATHS: Final = ["/", "/validate/", f"/validate/{TOKEN}/", f"/validate/{TOKEN}/x", f"/{TOKEN}"]


@pytest.fixture(scope="module", params=WORKERS)
def authenticated_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Run a server of each worker class that accepts reviews at secret paths."""
    folder = tmp_path_factory.mktemp("authenticated_server")
    (folder / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    (folder / "tokens").write_text(f"{TOKEN}\n{OLDER}\n", encoding="ascii")
    arguments = ("--standalone", "--policy", str(folder / "policy.yaml"), "--worker", request.param)
    with serve(folder, *arguments, "--path-token-file", str(folder / "tokens")) as program:
        yield program


def rejected_reviews(program: Program) -> float:
    """Return how many reviews were answered with 401."""
    time.sleep(1.2 / PAGES_PER_SECOND)  # a page that is requested faster is an earlier one
    lines = program.status("/metrics").body.decode().splitlines()
    [line] = (one for one in lines if one.startswith('catflap_bad_reviews_total{status="401"}'))
    return float(line.rsplit(" ", 1)[1])


@pytest.mark.parametrize("path", [f"/validate/{TOKEN}", f"/mutate/{OLDER}", f"/validate/{TOKEN}?timeout=5s"])
def test_each_accepted_token_is_accepted(authenticated_server: Program, path: str) -> None:
    """The registered token and the previous one are accepted; the record has the method and never the token."""
    assert authenticated_server.post(path, REVIEW).response["allowed"] is True
    assert authenticated_server.records("decision")[-1]["senderAuthentication"] == "path"


def test_an_unauthenticated_client_gets_one_answer_per_connection(authenticated_server: Program) -> None:
    """Pipelined requests after the first one are ignored."""
    rejected = rejected_reviews(authenticated_server)
    request = (
        b"POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    context = ssl.create_default_context(cafile=str(authenticated_server.authority))
    with (
        socket.create_connection(("127.0.0.1", authenticated_server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(request * 300)
        answers = b""
        with suppress(OSError):  # unread bytes make the server reset the connection
            while block := secure.recv(1 << 16):
                answers += block
    assert answers.count(b"HTTP/1.1 401") <= 1
    assert rejected_reviews(authenticated_server) == rejected + 1


@pytest.mark.parametrize("path", UNAUTHENTICATED_PATHS)
def test_an_unauthenticated_review_is_refused_counted_and_not_recorded(
    authenticated_server: Program, path: str
) -> None:
    """The answer is the same for every path, also for one that is close to a valid path."""
    records, rejected = len(authenticated_server.records("decision")), rejected_reviews(authenticated_server)
    answer = authenticated_server.post(path, REVIEW)
    assert (answer.status, b"not authenticated" in answer.body) == (401, True)
    assert (len(authenticated_server.records("decision")), rejected_reviews(authenticated_server)) == (
        records,
        rejected + 1,
    )


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_another_path_is_a_404(authenticated_server: Program, path: str) -> None:
    """Such an answer reveals nothing about tokens."""
    assert authenticated_server.post(path, REVIEW).status == http.client.NOT_FOUND


@pytest.mark.parametrize(("token", "status"), [(f"/{TOKEN}", 405), ("", 401), ("/" + "z" * 43, 401)])
def test_a_path_can_be_checked_without_a_review(authenticated_server: Program, token: str, status: int) -> None:
    """The controller does that before it registers the path."""
    connection = authenticated_server.connect()
    connection.request("GET", f"/validate{token}")
    assert connection.getresponse().status == status
    connection.close()


def test_the_answer_comes_before_the_body_is_read(authenticated_server: Program) -> None:
    """A client that announces 5 MB and sends nothing is answered at once."""
    connection = authenticated_server.connect()
    connection.putrequest("POST", "/validate")
    for name, value in {**JSON, "Content-Length": str(5_000_000)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == http.client.UNAUTHORIZED
    connection.close()


def test_no_log_and_no_record_contains_a_token(authenticated_server: Program) -> None:
    """The log, the records and the metrics of valid, bad and broken reviews contain no token."""
    for body in (REVIEW, b"{", b"", encoded(pod())):
        for path in (f"/validate/{TOKEN}", f"/mutate/{OLDER}"):
            authenticated_server.post(path, body)
    raw = authenticated_server.connect()
    raw.connect()
    raw.sock.sendall(f"POST /validate/{TOKEN} HTTP/1.1\r\nContent-Length: -1\r\n\r\n".encode())
    raw.close()
    written = authenticated_server.log() + authenticated_server.audit_log.read_text(encoding="utf-8")
    written += (
        authenticated_server.status("/metrics").body.decode() + authenticated_server.status("/readyz").body.decode()
    )
    assert not [token for token in (TOKEN, OLDER) if token in written]


def test_a_changed_file_is_loaded_and_a_broken_one_changes_nothing(tmp_path: Path, policy: Path) -> None:
    """Tokens are rotated so: the new one is added and registered, then the old one is removed."""
    tokens = tmp_path / "tokens"
    tokens.write_text(OLDER, encoding="ascii")
    with serve(tmp_path, "--standalone", "--policy", str(policy), "--path-token-file", str(tokens)) as program:
        tokens.write_text(TOKEN, encoding="ascii")
        deadline = time.monotonic() + 10
        while program.post(f"/validate/{TOKEN}", REVIEW).status != http.client.OK:
            assert time.monotonic() < deadline
        assert program.post(f"/validate/{OLDER}", REVIEW).status == http.client.UNAUTHORIZED
        tokens.write_text("", encoding="ascii")
        time.sleep(1.0)  # two polls
        assert program.post(f"/validate/{TOKEN}", REVIEW).status == http.client.OK
        assert "the tokens of the review path do not change" in program.log()


class MtlsServer:
    """A server that requests client certificates, with clients that have one or none."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self._folder = folder

    def post(self, identity: Identity | None, path: str = "/validate") -> Answer:
        """POST as a client with or without a certificate; raises OSError where TLS refuses it."""
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
def mtls_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MtlsServer]:
    """Run a server of each worker class that accepts reviews only from `kube-apiserver`."""
    folder = tmp_path_factory.mktemp("mtls_server")
    (folder / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    (folder / "clients.crt").write_bytes(AUTHORITY.certificate)
    arguments = ("--standalone", "--policy", str(folder / "policy.yaml"), "--worker", request.param)
    trust = ("--client-ca", str(folder / "clients.crt"), "--client-name", "kube-apiserver")
    with serve(folder, *arguments, *trust) as program:
        yield MtlsServer(program, folder)


@pytest.mark.parametrize("path", ["/validate", "/mutate", f"/validate/{TOKEN}"])
def test_a_certificate_of_the_ca_is_accepted_at_each_path(mtls_server: MtlsServer, path: str) -> None:
    """The controller registers a secret path in either case."""
    assert mtls_server.post(AUTHORITY.issue("kube-apiserver"), path).response["allowed"] is True
    assert mtls_server.program.records("decision")[-1]["senderAuthentication"] == "client-certificate"


@pytest.mark.parametrize("identity", [None, AUTHORITY.issue("stranger")], ids=["none", "another name"])
def test_without_a_certificate_of_that_name_a_review_is_refused(
    mtls_server: MtlsServer, identity: Identity | None
) -> None:
    """The refusal is an HTTP answer, so the sender reads the reason."""
    records, rejected = len(mtls_server.program.records("decision")), rejected_reviews(mtls_server.program)
    answer = mtls_server.post(identity)
    assert (answer.status, b"not authenticated" in answer.body) == (401, True)
    assert (len(mtls_server.program.records("decision")), rejected_reviews(mtls_server.program)) == (
        records,
        rejected + 1,
    )


@pytest.mark.parametrize(
    "identity",
    [Authority("webhook-clients").issue("kube-apiserver"), AUTHORITY.issue("kube-apiserver", hosts=["kube-apiserver"])],
    ids=["another CA of that name", "a server's certificate"],
)
def test_a_certificate_that_tls_cannot_verify_gets_no_answer(mtls_server: MtlsServer, identity: Identity) -> None:
    """The handshake fails, and other clients are still served."""
    with pytest.raises((OSError, http.client.HTTPException)):
        mtls_server.post(identity)
    assert mtls_server.post(AUTHORITY.issue("kube-apiserver")).status == http.client.OK


def test_probes_need_no_certificate(mtls_server: MtlsServer) -> None:
    """They use another port."""
    assert mtls_server.program.status("/readyz").status == http.client.OK
    with socket.create_connection(("127.0.0.1", mtls_server.program.status_port), timeout=5):
        pass
