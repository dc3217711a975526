"""Health, readiness and metrics on a port of their own, plain HTTP, for the kubelet and for Prometheus."""

from collections.abc import Callable, Mapping
from threading import Thread

import waitress
from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

THREADS = 4

Checks = Mapping[str, Callable[[], bool]]


def create_status_app(checks: Checks, registry: CollectorRegistry) -> Flask:
    """The app of the status port; ready is who passes every check, and what fails is named."""
    app = Flask("catflap-status")

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        failed = [name for name, check in checks.items() if not check()]
        if failed:
            return Response(f"not ready: {', '.join(failed)}\n", status=503, mimetype="text/plain")
        return Response("ok\n", mimetype="text/plain")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return app


def serve_status(app: Flask, host: str, port: int) -> None:
    """Serve the status app from a thread of its own until the process ends.  Raises OSError for a taken port."""
    server = waitress.create_server(app, host=host, port=port, threads=THREADS, ident="catflap")
    Thread(target=server.run, name="status", daemon=True).start()
