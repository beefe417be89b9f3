"""The API half of the simulated OpenShift: a Kubernetes API server over a store in memory."""
