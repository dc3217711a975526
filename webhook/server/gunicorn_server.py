"""gunicorn with TLS, keep-alive and one worker; the parts of the server are created after the fork."""

import sys
from collections.abc import Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from gunicorn.app.base import BaseApplication
from msgspec import Struct

from webhook.server.arbiter import SignalSafeArbiter
from webhook.server.asgi_app import ReviewMiddleware
from webhook.server.asgi_worker import BoundedAsgiWorker
from webhook.server.authentication import Authenticator
from webhook.server.body_budget import BodyBudget
from webhook.server.fair_queue import ReviewQueues
from webhook.server.gthread_worker import BoundedGthreadWorker
from webhook.server.limits import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS
from webhook.server.malloc_tuning import configure_malloc
from webhook.server.review_handler import ReviewHandler
from webhook.server.shutdown import exit_process
from webhook.server.wsgi_app import create_app
from webhook.tls.certificate_folder import CertificateReloader, TlsFolder

# A worker ends by itself within two seconds (server/shutdown.py); one that hangs is killed after this time.
GRACEFUL_TIMEOUT_SECONDS = 10
# Behind the ASGI app, Flask answers no reviews.
FLASK_THREADS = 2
GTHREAD_THREADS = 8


class ListenOptions(Struct, frozen=True):
    """The address of the server; `worker` is gunicorn's name of the worker class."""

    host: str
    port: int
    worker: str


class ServerParts(Struct, frozen=True):
    """The parts of a worker.

    `authenticator` recognises the API server. `on_accepting` is called once the worker accepts connections, and `on_drop` for each
    connection that the worker drops.
    """

    handler: ReviewHandler
    authenticator: Authenticator
    certificate: CertificateReloader
    on_accepting: Callable[[], object]
    on_drop: Callable[[], object]


class GunicornServer(BaseApplication):  # type: ignore[misc]
    """The gunicorn application; `make_parts` is called in the worker process."""

    def __init__(
        self,
        options: ListenOptions,
        *,
        folder: TlsFolder,
        make_parts: Callable[[], ServerParts],
    ) -> None:
        self._options = options
        self._folder = folder
        self._make_parts = make_parts
        self._parts: ServerParts | None = None
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn without files or environment variables."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        is_asgi = self._options.worker == "asgi"
        settings: dict[str, Any] = {
            "bind": f"{host}:{self._options.port}",
            "worker_class": BoundedAsgiWorker if is_asgi else BoundedGthreadWorker,
            "workers": 1,
            "threads": 1 if is_asgi else GTHREAD_THREADS,
            "worker_connections": MAX_CONNECTIONS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": GRACEFUL_TIMEOUT_SECONDS,
            "asgi_disconnect_grace_period": 0,  # the answer has no reader any more
            "certfile": str(self._folder.certificate),  # turns TLS on
            "keyfile": str(self._folder.key),
            "ssl_context": lambda _config, _default: self._get_parts().certificate.context,
            "worker_exit": self._worker_exit,
            "asgi_lifespan": "off",
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "catflap",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal ends it."""
        try:
            SignalSafeArbiter(self).run()
        except RuntimeError as bad:
            sys.exit(f"Error: {bad}")

    def notify_accepting(self) -> None:
        """Report that the worker accepts connections and handles signals."""
        self._get_parts().on_accepting()

    def notify_dropped(self) -> None:
        """Report that the worker dropped a connection."""
        self._get_parts().on_drop()

    def load(self) -> Any:
        """Return the app of the worker: the ASGI app in front of the WSGI app, or the WSGI app."""
        handler, authenticator = self._get_parts().handler, self._get_parts().authenticator
        body_budget, queues = BodyBudget(), ReviewQueues()
        app = create_app(handler, body_budget=body_budget, authenticator=authenticator, queues=queues)
        if self._options.worker != "asgi":
            return app
        flask = WSGIMiddleware(app, workers=FLASK_THREADS)  # type: ignore[arg-type]  # two type definitions of WSGI
        return ReviewMiddleware(handler, flask, body_budget=body_budget, authenticator=authenticator, queues=queues)  # type: ignore[arg-type]  # and of ASGI

    def _get_parts(self) -> ServerParts:
        """Return the parts, created once per worker after the fork: threads do not survive a fork, and an audit chain has one writer."""
        if self._parts is None:
            configure_malloc()
            self._parts = self._make_parts()
        return self._parts

    def _worker_exit(self, _arbiter: Any, _worker: Any) -> None:
        """Close the audit log and exit without waiting for threads that call the API server."""
        if self._parts is not None:  # the arbiter also calls this method, after a worker has died
            self._parts.handler.close()
            exit_process()
