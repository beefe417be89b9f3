"""The node actor: kubelet and machine-config-daemon of every simulated machine."""
