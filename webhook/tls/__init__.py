"""Certificates: issuing them, and serving them from a folder with reload."""
