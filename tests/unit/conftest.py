"""What holds for every unit test."""

from collections.abc import Iterator

import pytest

from tests.audit_logs import assert_sound


@pytest.fixture(autouse=True)
def sound_audit_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """An audit log that a test leaves is a whole chain of records as the published schema says."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for path in folder.rglob("audit.log") if folder else ():
        assert_sound(path)
