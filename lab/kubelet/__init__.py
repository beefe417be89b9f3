"""The kubelets' HTTPS API, as kube-apiserver calls it, for all machines of the lab."""
