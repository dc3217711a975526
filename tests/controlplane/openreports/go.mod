// OpenReports' CRDs, which lie in its module as they are, pinned.
module catflap.dev/tests/controlplane/openreports

go 1.26.0

require github.com/openreports/reports-api v0.2.1
