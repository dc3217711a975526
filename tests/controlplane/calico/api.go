// Package calico names Calico's API package, so that `go mod tidy` keeps it at hand for controller-gen.
package calico

import _ "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
