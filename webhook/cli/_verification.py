"""Verify logs, and compare them, during one read."""

from collections.abc import Callable
from functools import partial

from webhook.audit.api_server_cross_check import ApiServerCrossCheck
from webhook.audit.chain_verifier import ChainRecord
from webhook.audit.log_lines import LogLine, TextCheck, UnreadableLogError, no_record_message, read_lines, total_size
from webhook.audit.verify import VerificationReport, Verifier
from webhook.cli._progress import progress


def verify_logs(
    verifier: Verifier,
    files: tuple[str, ...],
    against: tuple[str, ...],
    *,
    action: str,
    on_line: Callable[[LogLine, list[ChainRecord]], object] = lambda *_: None,
) -> VerificationReport:
    """Verify catflap's logs and compare them with the API server's; `on_line` gets each line with its records.

    Raises UnreadableLogError, also if the files are no audit log. Without an audit log, the report still has the requests in
    the API server's log.
    """
    comparison, text = ApiServerCrossCheck() if against else None, TextCheck()
    with progress((*files, *against), action) as on_progress:
        for line in read_lines(files, on_progress):
            records = verifier.add(line)
            text.check(line, has_record=bool(records))
            on_line(line, records)
            if comparison is not None:
                comparison.add_records(line, records)
        if comparison is not None:
            for line in read_lines(against, partial(on_progress, before=total_size(files))):
                comparison.add_event(line)
            comparison.check()
    report = verifier.finish()
    found = [] if comparison is None else [*comparison.findings()]
    if not (report.is_log or found):
        raise UnreadableLogError(no_record_message(files))
    return report if comparison is None else report.merged(found, comparison.notes())
