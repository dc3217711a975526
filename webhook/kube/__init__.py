"""The only door to the API server: raw JSON in and out, no client models (they cost sixteen times the parsing)."""
