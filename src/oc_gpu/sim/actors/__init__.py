"""Controllers of the simulated cluster; they speak only the Kubernetes API."""
