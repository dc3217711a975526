"""The policy that applies if no policy file exists; the schema defines the defaults."""

DEFAULT_POLICY = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
"""
