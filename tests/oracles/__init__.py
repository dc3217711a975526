"""Independent oracles: Calico's selector parser, Go's regular expressions, kubectl, and an analyzer of network policies.

A test of a renderer by its author's understanding of the engines has the same mistakes as the renderer. Here, Calico's code and
network-config-analyzer read the rendered policies, and a short second implementation (`policy_model.py`) computes the meaning of a policy
file without the renderer.
"""
