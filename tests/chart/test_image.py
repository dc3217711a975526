"""Tests the image's recipe, to the extent possible without a container engine, and the certificates."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509

from tests.chart.conftest import Render
from tests.chart.rendering import CHART, DEFAULT

ROOT: Final = CHART.parents[1]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")


def argument(name: str) -> str:
    """Return the arguments of an instruction, or the name of an ARG."""
    [found] = re.findall(rf"^{name}[ =](.*)$", DOCKERFILE, re.MULTILINE)
    return str(found)


def test_the_image_is_built_by_the_projects_uv() -> None:
    """Both places have one version."""
    assert f"UV_VERSION := {argument('ARG UV_VERSION')}\n" in (ROOT / "Makefile").read_text("utf-8")


def test_what_is_copied_is_sent_and_nothing_else() -> None:
    """The list of .dockerignore equals the list of COPY."""
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_fits_the_pods(render: Render) -> None:
    """By the number, Kubernetes sees that the user is not root; the ports are those of the chart."""
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", argument("USER"))
    ports = {
        port["containerPort"] for pod in render(DEFAULT).pods.values() for port in pod["spec"]["containers"][0]["ports"]
    }
    assert {int(port) for port in argument("EXPOSE").split()} == ports


def test_certificates_can_be_issued_by_hand(tmp_path: Path) -> None:
    """The script creates them for the named hosts."""
    command = [sys.executable, str(ROOT / "certs" / "issue"), "--into", str(tmp_path), "catflap.zoo.svc", "192.0.2.1"]
    subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["catflap.zoo.svc"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]


def test_the_manifests_for_cert_manager_are_the_charts(render: Render) -> None:
    """It is written out for an installation without the image."""
    chart = {
        (one["kind"], one["metadata"]["name"]): one["spec"]
        for one in render(CHART / "tests" / "cert-manager.yaml").of("Issuer", "Certificate")
    }
    written = yaml.safe_load_all((ROOT / "certs" / "cert-manager.yaml").read_text("utf-8"))
    assert {(one["kind"], one["metadata"]["name"]): one["spec"] for one in written} == chart
