"""The policies that isolate a namespace: intents, and their manifests for each engine.  Pure."""
