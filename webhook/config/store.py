"""The policy in force: swapped whole, and never for a bad one."""

from collections.abc import Callable
from threading import Lock

from webhook.config.apart import ReadingTooSlowError, load
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded

Listener = Callable[[Loaded], None]
Complaint = Callable[[BadPolicy], None]


class PolicyStore:
    """Holds the last good policy.

    `current` is None until the first good policy came; readers take it once a request and see one whole version.
    """

    def __init__(self, *, on_refusal: Complaint) -> None:
        self.current: Loaded | None = None
        self._lock = Lock()
        self._last_text: str | None = None
        self._listeners: list[Listener] = []
        self._on_refusal = on_refusal

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with each policy that comes into force."""
        self._listeners.append(listener)

    def offer(self, text: str) -> None:
        """Put the policy that `text` says in force; a bad one is reported once and leaves the good one as it is."""
        with self._lock:
            if text == self._last_text:
                return
            self._last_text = text
            try:
                loaded = load(text)
            except BadPolicy as bad:
                self._on_refusal(bad)
                return
            except ReadingTooSlowError as slow:
                self._last_text = None  # the same text may be offered again
                self._on_refusal(BadPolicy([PolicyFault("", f"the file was not read {slow}")]))
                return
            self.current = loaded
        for listener in self._listeners:
            listener(loaded)
