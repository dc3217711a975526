"""The policy that holds where nobody wrote one: the defaults, spelled out by the schema."""

DEFAULT_POLICY = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
"""
