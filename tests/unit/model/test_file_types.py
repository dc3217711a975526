"""Files that are neither YAML nor JSON are recognised by their first bytes, and nothing else is."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.model.encoding import is_utf_32
from webhook.model.file_types import TYPES, file_type

POD = b"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a, role: data}}\n"


def tarred() -> bytes:
    """A tar archive with a manifest in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        one = tarfile.TarInfo("pod.yaml")
        one.size = len(POD)
        archive.addfile(one, io.BytesIO(POD))
    return packed.getvalue()


def zipped() -> bytes:
    """A ZIP archive with a manifest in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pod.yaml", POD)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(gzip.compress(POD), "with gzip; unpack it first", id="gzip"),
        pytest.param(bz2.compress(POD), "with bzip2; unpack it first", id="bzip2"),
        pytest.param(lzma.compress(POD), "with xz; unpack it first", id="xz"),
        pytest.param(tarred(), "a tar archive; unpack it first", id="tar"),
        pytest.param(zipped(), "a ZIP archive; unpack it first", id="ZIP"),
        pytest.param(POD.decode().encode("utf-32"), "UTF-32, which kubectl cannot read", id="UTF-32"),
        pytest.param(POD.decode().encode("utf-32-be"), "UTF-32, which kubectl cannot read", id="UTF-32, big end first"),
        pytest.param(POD.decode().encode("utf-32-le"), "UTF-32, which kubectl cannot read", id="UTF-32, no mark"),
        *(pytest.param(one.begins + bytes(20), one.says, id=str(one.begins)[2:-1]) for one in TYPES),
    ],
)
@pytest.mark.parametrize(
    "words", [["check", "-c", "policy.yaml"], ["preview", "-c", "policy.yaml"], ["config", "check"]]
)
def test_a_file_that_is_no_text_is_named(
    content: bytes, says: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, which says what to do."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(HEAD, encoding="utf-8")
    Path("odd.yaml").write_bytes(content)
    done = CliRunner().invoke(main, [*words, "odd.yaml"])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("catflap: odd.yaml: this is ")
    assert says in done.stderr


def test_in_a_folder_such_a_file_is_another_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a secret that Ansible encrypts."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(HEAD, encoding="utf-8")
    Path("all").mkdir()
    Path("all/pod.yaml").write_bytes(POD)
    Path("all/secret.yaml").write_bytes(b"$ANSIBLE_VAULT;1.1;AES256\n3366\n")
    done = CliRunner().invoke(main, ["check", "-c", "policy.yaml", "all"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 file of other programs skipped" in done.stdout


@LAW
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300))
def test_manifests_are_no_such_files(text: str) -> None:
    """Whatever stands behind their first key, and in UTF-8 and UTF-16 alike."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        content = f"apiVersion: v1\n{text}".encode(encoding)
        assert (file_type(content), is_utf_32(content)) == ("", False) or content[257:262] == b"ustar"
