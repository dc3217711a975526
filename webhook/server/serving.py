"""gunicorn around the app: TLS, keep-alive, one worker; each part is made after the fork."""

import sys
from collections.abc import Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from gunicorn.app.base import BaseApplication
from msgspec import Struct

from webhook.server.answer import Answerer
from webhook.server.app import create_app
from webhook.server.arbiter import PatientArbiter
from webhook.server.authentication import Check
from webhook.server.bodies import Bodies
from webhook.server.ending import end_now
from webhook.server.fairness import AnswerQueues
from webhook.server.lane import Lane
from webhook.server.limits import KEEP_ALIVE_SECONDS, MOST_CONNECTIONS
from webhook.server.memory import give_memory_back
from webhook.server.threads import PlainWorker
from webhook.server.worker import ExpressWorker
from webhook.tls.certificate_folder import CertificateReloader, TlsFolder

# A worker ends by itself within two seconds (server/ending.py); one that hangs is killed after so many.
GRACEFUL_SECONDS = 10
# What Flask answers is nothing urgent.
FLASK_THREADS = 2
GTHREAD_THREADS = 8


class Listening(Struct, frozen=True):
    """How the server listens; `worker` is gunicorn's name of the worker class."""

    host: str
    port: int
    worker: str


class Ready(Struct, frozen=True):
    """What a worker is made of: what answers, what connections are made with, and whom to tell that it accepts connections.

    `check` tells the API server from other senders. `dropped` is called for each connection that has to make room.
    """

    answerer: Answerer
    check: Check
    certificate: CertificateReloader
    began: Callable[[], object]
    dropped: Callable[[], object]


class Server(BaseApplication):  # type: ignore[misc]
    """One gunicorn application; `start` is called in the worker and brings the parts to life."""

    def __init__(
        self,
        listening: Listening,
        *,
        folder: TlsFolder,
        start: Callable[[], Ready],
    ) -> None:
        self._listening = listening
        self._folder = folder
        self._start = start
        self._parts: Ready | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn up; nothing is read from files or the environment."""
        host = f"[{self._listening.host}]" if ":" in self._listening.host else self._listening.host
        is_express = self._listening.worker == "asgi"
        settings: dict[str, Any] = {
            "bind": f"{host}:{self._listening.port}",
            "worker_class": ExpressWorker if is_express else PlainWorker,
            "workers": 1,
            "threads": 1 if is_express else GTHREAD_THREADS,
            "worker_connections": MOST_CONNECTIONS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "asgi_disconnect_grace_period": 0,  # an answer that nobody waits for any more
            "certfile": str(self._folder.certificate),  # turns TLS on
            "keyfile": str(self._folder.key),
            "ssl_context": lambda _config, _default: self._ready().certificate.context,
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
            PatientArbiter(self).run()
        except RuntimeError as bad:
            sys.exit(f"Error: {bad}")

    def serves(self) -> None:
        """The worker accepts connections, and can be ended in order."""
        self._ready().began()

    def dropped(self) -> None:
        """The worker dropped a connection."""
        self._ready().dropped()

    def load(self) -> Any:
        """The app of one worker: the express lane in front of Flask, or Flask alone."""
        answerer, check = self._ready().answerer, self._ready().check
        bodies, queues = Bodies(), AnswerQueues()
        app = create_app(answerer, bodies=bodies, check=check, queues=queues)
        if self._listening.worker != "asgi":
            return app
        flask = WSGIMiddleware(app, workers=FLASK_THREADS)  # type: ignore[arg-type]  # two spellings of WSGI
        return Lane(answerer, flask, bodies=bodies, check=check, queues=queues)  # type: ignore[arg-type]  # and of ASGI

    def _ready(self) -> Ready:
        """What is made once a worker, after the fork: a thread does not come along, and a chain has one writer."""
        if self._parts is None:
            give_memory_back()
            self._parts = self._start()
        return self._parts

    def _worker_exit(self, _arbiter: Any, _worker: Any) -> None:
        """Close the log and end: threads that still ask the API server hold nothing up."""
        if self._parts is not None:  # not in the arbiter, which calls this for a worker that it finds gone
            self._parts.answerer.close()
            end_now()
