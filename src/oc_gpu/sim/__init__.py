"""A simulated OpenShift: API server, actors, hardware, scenarios."""
