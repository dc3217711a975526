"""`catflap serve` as a process: its start, its reloads and its end."""

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from tests.controlplane.kubeconfig import by_token, write_kubeconfig
from tests.controlplane.waiting import wait_until
from tests.ports import free_port
from tests.programs import Program, serve, start_program
from tests.reviews import GOOD, encoded, pod
from webhook.tls.certificate_folder import TlsFolder, ensure_certificate

LENIENT = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: warn\n"
BROKEN = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: loud\nruls: []\n"
RELOAD_SECONDS = 1.0


def catflap(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb and wait for its end."""
    argv = [sys.executable, "-m", "webhook", *arguments]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **environment}
    )


def start(policy: Path, folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run `catflap serve` and wait for it to end by itself."""
    ports = ["--listen", f"127.0.0.1:{free_port()}", "--status-listen", f"127.0.0.1:{free_port()}"]
    return catflap("serve", "--policy", str(policy), "--tls-dir", str(folder), *ports, *more)


def test_a_bad_policy_file_ends_it_with_every_fault(tmp_path: Path) -> None:
    """The status is 2, with one line per fault."""
    (tmp_path / "policy.yaml").write_text(BROKEN, encoding="utf-8")
    ended = start(tmp_path / "policy.yaml", tmp_path, "--standalone")
    assert ended.returncode == 2
    assert "expected one of enforce, warn, audit, off" in ended.stderr
    assert "ruls: unknown key; did you mean 'rules'?" in ended.stderr


def test_no_cluster_and_not_standalone_ends_it_with_the_remedy(policy: Path, tmp_path: Path) -> None:
    """The status is 2, and the message names the flags that help."""
    ended = start(policy, tmp_path)
    assert ended.returncode == 2
    assert "--kubeconfig" in ended.stderr
    assert "--standalone" in ended.stderr


def test_half_a_certificate_ends_it(policy: Path, tmp_path: Path) -> None:
    """A key without its certificate is an error."""
    (tmp_path / "tls.key").write_text("x", encoding="utf-8")
    ended = start(policy, tmp_path, "--standalone")
    assert ended.returncode == 2
    assert "tls.crt is missing" in ended.stderr


def test_a_broken_certificate_ends_it(policy: Path, tmp_path: Path) -> None:
    """The server does not start with a certificate that no client can read."""
    for name in ("tls.key", "tls.crt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    ended = start(policy, tmp_path, "--standalone")
    assert ended.returncode == 2
    assert "in PEM" in ended.stderr


def test_the_ca_is_printed_for_the_configuration(policy: Path, tmp_path: Path) -> None:
    """The printed text is a valid `caBundle`."""
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        line = next(line for line in server.log().splitlines() if line.startswith("caBundle: "))
    assert base64.b64decode(line.removeprefix("caBundle: ")) == (tmp_path / "tls" / "ca.crt").read_bytes()


def test_its_files_are_used_again_after_a_restart(policy: Path, tmp_path: Path) -> None:
    """The CA of the clients stays valid."""
    for _ in range(2):
        with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
            before = server.authority.read_bytes()
            assert server.post("/validate", encoded(pod(GOOD))).status == 200
    assert server.authority.read_bytes() == before


def verdict(server: Program) -> bool:
    """Return whether a Pod without labels is admitted."""
    return bool(server.post("/validate", encoded(pod())).response["allowed"])


def test_an_edited_policy_file_is_loaded_within_a_second(policy: Path, tmp_path: Path) -> None:
    """There is no restart, and a broken edit never replaces the active policy."""
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        assert not verdict(server)
        policy.write_text(LENIENT, encoding="utf-8")
        deadline = time.monotonic() + RELOAD_SECONDS
        while not verdict(server):
            assert time.monotonic() < deadline
        policy.write_text(BROKEN, encoding="utf-8")
        time.sleep(RELOAD_SECONDS)
        assert verdict(server)
        policy.unlink()
        time.sleep(RELOAD_SECONDS)
        assert verdict(server)
        assert server.status("/readyz").status == 200
        refused = [record for record in server.records() if record.get("accepted") is False]
        assert len(refused) == 1
        assert any("mode" in fault for fault in refused[0]["faults"])


def test_keys_of_earlier_releases_are_logged_once(tmp_path: Path) -> None:
    """The verb reads the file before the process does, and again after each edit."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"{LENIENT}workloads: {{existing: judge}}\ngate: {{freshness: 5}}\n", encoding="utf-8")
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        assert verdict(server)
        said = server.log()
    keys = ("workloads.existing: this key is now workloads.existingWorkloads", "gate: this key no longer has an effect")
    assert [said.count(key) for key in keys] == [1, 1]


def test_warnings_reach_the_user(tmp_path: Path) -> None:
    """In mode warn, the object is admitted, and kubectl prints the violations."""
    (tmp_path / "policy.yaml").write_text(LENIENT, encoding="utf-8")
    with serve(tmp_path, "--standalone", "--policy", str(tmp_path / "policy.yaml")) as server:
        response = server.post("/validate", encoded(pod())).response
    assert response["allowed"] is True
    assert response["auditAnnotations"]["violated-rules"] == "require-app,require-role"
    assert [warning.partition(":")[0] for warning in response["warnings"]] == ["require-app", "require-role"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file that is always full")
def test_a_review_that_cannot_be_recorded_is_not_admitted(policy: Path, tmp_path: Path) -> None:
    """With a full disk, reviews are refused for now, and the replica is not ready, so that another one is called."""
    (tmp_path / "audit.log").symlink_to("/dev/full")
    with serve(tmp_path, "--standalone", "--policy", str(policy), ready=False) as server:
        wait_until(lambda: readiness(server) == b"not ready: audit log\n", what="the log to be found full")
        response = server.post("/validate", encoded(pod(GOOD))).response
        assert response["allowed"] is False
        assert response["status"]["code"] == 503
        assert response["status"]["details"] == {"retryAfterSeconds": 1}
        assert "audit log" in response["status"]["message"]
        assert server.post("/mutate", encoded(pod(GOOD))).response == {"uid": response["uid"], "allowed": True}


def readiness(server: Program) -> bytes:
    """Return the text of /readyz; empty while the port is closed."""
    try:
        return server.status("/readyz").body
    except OSError:
        return b""


def test_it_ends_at_sigterm_with_status_0(policy: Path, tmp_path: Path) -> None:
    """It ends soon, also where a client keeps its connection."""
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        connection = server.connect()
        connection.request("POST", "/validate", encoded(pod(GOOD)), {"Content-Type": "application/json"})
        connection.getresponse().read()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
        connection.close()


def test_a_killed_worker_is_replaced(policy: Path, tmp_path: Path) -> None:
    """The server answers again within seconds, status port included."""
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="ascii")
        os.kill(int(children.split()[0]), signal.SIGKILL)
        time.sleep(0.5)
        server.wait_for()
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"] is True


def test_the_audit_log_is_standard_output_where_no_file_is_named(policy: Path, tmp_path: Path) -> None:
    """Standard output contains only JSON lines, with a complete chain."""
    port, status_port = free_port(), free_port()
    ports = ["--listen", f"127.0.0.1:{port}", "--status-listen", f"127.0.0.1:{status_port}"]
    options = ["--standalone", "--policy", str(policy), *ports, "--tls-dir", str(tmp_path / "tls")]
    with start_program("serve", *options, output=subprocess.PIPE, errors=subprocess.DEVNULL) as process:
        server = Program(process, status_port, tmp_path, port)
        server.wait_for()
        server.post("/validate", encoded(pod(GOOD)))
        process.terminate()
        assert process.stdout is not None
        lines = process.stdout.readlines()
    types = [json.loads(line)["type"] for line in lines]
    assert types == ["start", "configuration", "certificate", "decision", "stop"]


def test_a_renewed_certificate_is_served_without_a_restart(policy: Path, tmp_path: Path) -> None:
    """New connections get the new pair; an incomplete pair changes nothing."""
    with serve(tmp_path, "--standalone", "--policy", str(policy)) as server:
        folder = TlsFolder(tmp_path / "tls")
        for path in (folder.certificate, folder.key):
            path.unlink()
        folder.key.write_text("half a renewal", encoding="utf-8")
        time.sleep(1.5)
        old = folder.authority.read_bytes()
        assert server.post("/validate", encoded(pod(GOOD))).status == 200
        folder.key.unlink()
        ensure_certificate(folder, ["localhost"], datetime.now(UTC))
        assert folder.authority.read_bytes() != old
        deadline = time.monotonic() + 5
        while not trusted(server):
            assert time.monotonic() < deadline
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"] is True
        first, second = server.records("certificate")
        metrics = server.status("/metrics").body.decode()
    assert first["serving"]["fingerprint"] != second["serving"]["fingerprint"] == fingerprint(folder)
    assert second["serving"]["names"] == ["localhost"]
    assert second["reasonCode"] == "CertificateReplaced"
    expiry = float(metrics.partition("\ncatflap_certificate_expiry_timestamp_seconds ")[2].partition("\n")[0])
    assert expiry == datetime.fromisoformat(second["serving"]["notAfter"]).timestamp()


def fingerprint(folder: TlsFolder) -> str:
    """Return the fingerprint of the certificate in a folder."""
    return sha256(ssl.PEM_cert_to_DER_cert(folder.certificate.read_text(encoding="ascii"))).hexdigest()


def trusted(server: Program) -> bool:
    """Return whether the CA in the folder signed the served certificate."""
    try:
        return server.post("/validate", encoded(pod(GOOD))).status == 200
    except (ssl.SSLCertVerificationError, ssl.SSLEOFError):  # a connection may fail while the pair changes
        return False


def test_an_expired_certificate_is_not_served(policy: Path, tmp_path: Path) -> None:
    """The server reports it at the start; the API server would report only a failed call."""
    ensure_certificate(TlsFolder(tmp_path), ["localhost"], datetime(2024, 1, 1, tzinfo=UTC))
    ended = start(policy, tmp_path, "--standalone")
    assert ended.returncode == 2
    assert "tls.crt ended on 2024-12-31" in ended.stderr


def test_a_name_that_the_certificate_lacks_is_an_error(policy: Path, tmp_path: Path) -> None:
    """An existing pair is not issued again, so a missing name must be an error."""
    ensure_certificate(TlsFolder(tmp_path), ["localhost"], datetime.now(UTC))
    ended = start(policy, tmp_path, "--standalone", "--tls-name", "webhook.example", "--tls-name", "localhost")
    assert ended.returncode == 2
    assert "is not for webhook.example;" in ended.stderr


def test_requested_names_and_addresses_are_issued(policy: Path, tmp_path: Path) -> None:
    """The server of the README's command is then reachable under its HOST."""
    names = ("--tls-name", "192.0.2.7", "--tls-name", "webhook.example")
    for _ in range(2):
        with serve(tmp_path, "--standalone", "--policy", str(policy), *names) as server:
            assert server.status("/readyz").status == 200


@pytest.mark.parametrize("verb", ["serve", "controller"])
@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param("127.0.0.1:TAKEN", "another program or another option of this command uses this port", id="taken"),
        pytest.param("192.0.2.1:8080", "this machine does not have this address", id="not of this machine"),
        pytest.param("name.invalid:8080", "this host name is unknown", id="unknown"),
    ],
)
def test_an_address_that_it_cannot_listen_on_ends_it(
    policy: Path, tmp_path: Path, verb: str, address: str, says: str
) -> None:
    """It ends with status 2 and names the option, before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = address.replace("TAKEN", str(taken.getsockname()[1]))
        argv = [sys.executable, "-m", "webhook", verb, "--policy", str(policy), "--status-listen", given]
        if verb == "serve":
            argv += ["--standalone", "--listen", f"127.0.0.1:{free_port()}", "--tls-dir", str(tmp_path / "tls")]
        else:
            kubeconfig = write_kubeconfig(
                tmp_path / "kubeconfig", server="http://127.0.0.1:9", authority=b"", user=by_token("none")
            )
            argv += ["--kubeconfig", str(kubeconfig)]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"--status-listen {given}: {says}" in ended.stderr
    assert "Traceback" not in ended.stderr
