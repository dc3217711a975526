"""Access to the API server, for all other packages: raw JSON in and out, no client models (their parsing takes sixteen times as long)."""
