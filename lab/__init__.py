"""The lab: the real control plane and operators of OpenShift, on this machine, without a kernel."""
