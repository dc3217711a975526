"""Verify logs, and compare them, during one read."""

from collections.abc import Callable
from functools import partial

from webhook.audit.api_server_cross_check import Comparison
from webhook.audit.chain_verifier import Head
from webhook.audit.log_lines import Line, Text, Unreadable, no_record, read_lines, size
from webhook.audit.verify import Report, Verifier
from webhook.cli._progress import progress


def verified(
    verifier: Verifier,
    files: tuple[str, ...],
    against: tuple[str, ...],
    *,
    doing: str,
    on_line: Callable[[Line, list[Head]], object] = lambda *_: None,
) -> Report:
    """Verify catflap's logs and compare them with the API server's; `on_line` gets each line with its records.

    Raises Unreadable, also if the files are no audit log. Without an audit log, the report still has the requests in
    the API server's log.
    """
    comparison, text = Comparison() if against else None, Text()
    with progress((*files, *against), doing) as moved:
        for line in read_lines(files, moved):
            heads = verifier.take(line)
            text.look(line, has_record=bool(heads))
            on_line(line, heads)
            if comparison is not None:
                comparison.take_records(line, heads)
        if comparison is not None:
            for line in read_lines(against, partial(moved, before=size(files))):
                comparison.take_event(line)
            comparison.check()
    report = verifier.finish()
    found = [] if comparison is None else [*comparison.findings()]
    if not (report.is_log or found):
        raise Unreadable(no_record(files))
    return report if comparison is None else report.joined(found, comparison.notes())
