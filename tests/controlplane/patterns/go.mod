// Go's regular expressions, by which the API server's CEL matches; of its standard library, so nothing is required.
module catflap.dev/tests/controlplane/patterns

go 1.26.0
