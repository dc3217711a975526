"""A real Kubernetes control plane for the tests: etcd, kube-apiserver and kube-controller-manager on loopback.

Tests never fake the API server: what catflap claims, it claims of this one.  There is no kubelet and no scheduler, so Pods are
stored and stay Pending, and everything up to that point is Kubernetes itself.
"""
