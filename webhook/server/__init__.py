"""The HTTP edge: an ASGI app and a WSGI app that call one review handler."""
