"""Hold the policy in force, replace it as a whole, and never replace it with a bad policy."""

from collections.abc import Callable
from threading import Lock

from webhook.config.apart import ReadingTooSlowError, load
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded

Listener = Callable[[Loaded], None]
Complaint = Callable[[BadPolicy], None]


class PolicyStore:
    """Hold the last good policy.

    `current` is None until the first good policy arrives. Readers take it once for each request and see one whole
    version.
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
        """Put the policy in `text` into force; report a bad policy once and keep the good one."""
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
