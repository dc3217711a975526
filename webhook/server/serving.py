"""gunicorn around the app: TLS, keep-alive, one worker; each part is made after the fork."""

import ssl
from collections.abc import Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from gunicorn.app.base import BaseApplication
from msgspec import Struct

from webhook.server.answer import Answerer
from webhook.server.app import create_app
from webhook.server.lane import Lane
from webhook.server.limits import KEEP_ALIVE_SECONDS
from webhook.tls.folder import Served, TlsFolder

# An answer takes microseconds, or the two seconds that the API server may be asked; the kubelet waits 30.
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
    """What a worker is made of: what answers, what connections are made with, and whom to tell that it can be stopped in order."""

    answerer: Answerer
    certificate: Served
    began: Callable[[], object]


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
        settings: dict[str, Any] = {
            "bind": f"{host}:{self._listening.port}",
            "worker_class": self._listening.worker,
            "workers": 1,
            "threads": GTHREAD_THREADS if self._listening.worker == "gthread" else 1,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "certfile": str(self._folder.certificate),  # turns TLS on
            "keyfile": str(self._folder.key),
            "ssl_context": self._ssl_context,
            "worker_exit": self._worker_exit,
            "asgi_lifespan": "off",
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "catflap",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def _ssl_context(self, _config: Any, _default: Any) -> ssl.SSLContext:
        """Asked for once a worker, when its loop runs, or with gthread once a connection.

        uvloop forgets signals that come before: whoever was told to end by one would be killed, and its chain left open.
        """
        self._ready().began()
        return self._ready().certificate.context

    def _worker_exit(self, _arbiter: Any, _worker: Any) -> None:
        if self._parts is not None:
            self._parts.answerer.close()

    def _ready(self) -> Ready:
        """What is made once a worker, after the fork: a thread does not come along, and a chain has one writer."""
        if self._parts is None:
            self._parts = self._start()
        return self._parts

    def load(self) -> Any:
        """The app of one worker: the express lane in front of Flask, or Flask alone."""
        answerer = self._ready().answerer
        app = create_app(answerer)
        if self._listening.worker != "asgi":
            self._ready().began()
            return app
        flask = WSGIMiddleware(app, workers=FLASK_THREADS)  # type: ignore[arg-type]  # two spellings of WSGI
        return Lane(answerer, flask)  # type: ignore[arg-type]  # and of ASGI
