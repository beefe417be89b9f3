"""The part of SPDY/3.1 that Kubernetes runs commands over.

kube-apiserver and older clients speak it to kubelets through moby/spdystream; no Python library for
it is kept up. What is left out: server push, priorities, and flow control by windows, which that
peer neither does nor waits for, so that TCP's own back-pressure is all there is.
"""
