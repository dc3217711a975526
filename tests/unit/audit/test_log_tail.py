"""Test what is found at the end of a file that other processes write to."""

import threading
import time
from pathlib import Path
from typing import Final

import pytest

from tests.unit.audit.logs import write_two_chains
from webhook.audit.log_tail import WRITE_TIMEOUT_SECONDS, LogTail, read_tail

# The places of the cut in a line: after its first byte, in its middle, before its hash, before its end.
CUTS: Final = (1, 100, -80, -1)


@pytest.mark.parametrize("cut", CUTS)
def test_a_line_that_is_being_written_is_waited_for(tmp_path: Path, cut: int) -> None:
    """The writer may be off the processor between two pages, and its part must not count as a half line."""
    path = tmp_path / "half.log"
    *before, last = write_two_chains(path)
    path.write_bytes(b"".join(before) + last[:cut])

    def finish() -> None:
        time.sleep(WRITE_TIMEOUT_SECONDS / 4)
        with path.open("ab") as file:
            file.write(last[cut:])

    writer = threading.Thread(target=finish)
    writer.start()
    found = read_tail(str(path))
    writer.join()
    assert found == read_tail(str(path))
    assert not found.needs_line_end


@pytest.mark.parametrize("cut", CUTS)
def test_remaining_partial_line_is_listed(tmp_path: Path, cut: int) -> None:
    """A killed process left the half line: the next record has to begin on another line."""
    path = tmp_path / "half.log"
    *before, last = write_two_chains(path)
    path.write_bytes(b"".join(before) + last[:cut])
    found = read_tail(str(path))
    assert found.needs_line_end
    assert [one.bytes for one in found.partial_writes] == ([0] if cut == -1 else [len(last[:cut])])


def test_a_file_without_records_has_no_end(tmp_path: Path) -> None:
    """The call does not wait."""
    path = tmp_path / "half.log"
    path.touch()
    assert read_tail(str(path)) == LogTail()
