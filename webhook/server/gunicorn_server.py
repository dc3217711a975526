"""gunicorn around the app: TLS, keep-alive, one worker; each part is made after the fork."""

import sys
from collections.abc import Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from gunicorn.app.base import BaseApplication
from msgspec import Struct

from webhook.server.answer import Answerer
from webhook.server.app import create_app
from webhook.server.arbiter import SignalSafeArbiter
from webhook.server.asgi_worker import BoundedAsgiWorker
from webhook.server.authentication import Check
from webhook.server.body_budget import BodyBudget
from webhook.server.fairness import AnswerQueues
from webhook.server.gthread_worker import BoundedGthreadWorker
from webhook.server.lane import Lane
from webhook.server.limits import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS
from webhook.server.malloc_tuning import configure_malloc
from webhook.server.shutdown import exit_process
from webhook.tls.folder import Served, TlsFolder

# A worker ends by itself within two seconds (server/shutdown.py); one that hangs is killed after so many.
GRACEFUL_TIMEOUT_SECONDS = 10
# What Flask answers is nothing urgent.
FLASK_THREADS = 2
GTHREAD_THREADS = 8


class ListenOptions(Struct, frozen=True):
    """How the server listens; `worker` is gunicorn's name of the worker class."""

    host: str
    port: int
    worker: str


class ServerParts(Struct, frozen=True):
    """What a worker is made of: what answers, what connections are made with, and whom to tell that it accepts connections.

    `check` tells the API server from other senders. `dropped` is called for each connection that has to make room.
    """

    answerer: Answerer
    check: Check
    certificate: Served
    on_accepting: Callable[[], object]
    on_drop: Callable[[], object]


class GunicornServer(BaseApplication):  # type: ignore[misc]
    """One gunicorn application; `start` is called in the worker and brings the parts to life."""

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
        """Set gunicorn up; nothing is read from files or the environment."""
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
            "asgi_disconnect_grace_period": 0,  # an answer that nobody waits for any more
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
        """The worker accepts connections, and can be ended in order."""
        self._get_parts().on_accepting()

    def notify_dropped(self) -> None:
        """The worker dropped a connection."""
        self._get_parts().on_drop()

    def load(self) -> Any:
        """The app of one worker: the express lane in front of Flask, or Flask alone."""
        answerer, check = self._get_parts().answerer, self._get_parts().check
        body_budget, queues = BodyBudget(), AnswerQueues()
        app = create_app(answerer, body_budget=body_budget, check=check, queues=queues)
        if self._options.worker != "asgi":
            return app
        flask = WSGIMiddleware(app, workers=FLASK_THREADS)  # type: ignore[arg-type]  # two spellings of WSGI
        return Lane(answerer, flask, body_budget=body_budget, check=check, queues=queues)  # type: ignore[arg-type]  # and of ASGI

    def _get_parts(self) -> ServerParts:
        """What is made once a worker, after the fork: a thread does not come along, and a chain has one writer."""
        if self._parts is None:
            configure_malloc()
            self._parts = self._make_parts()
        return self._parts

    def _worker_exit(self, _arbiter: Any, _worker: Any) -> None:
        """Close the log and end: threads that still ask the API server hold nothing up."""
        if self._parts is not None:  # not in the arbiter, which calls this for a worker that it finds gone
            self._parts.answerer.close()
            exit_process()
