"""What closes a namespace: intents, and the manifests that say them to each engine.  Pure."""
