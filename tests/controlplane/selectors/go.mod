// Calico's selector language, pinned at the one version of Calico that Go's module proxy serves.  `go get .` keeps this
// file; `go mod tidy` cannot, as Calico's own tests need what only Calico's `replace` lines find.
module catflap.dev/tests/controlplane/selectors

go 1.26.0

require github.com/projectcalico/calico v1.11.0-cni-plugin.0.20250813170300-a0db560f0520

require (
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.33.0 // indirect
)
