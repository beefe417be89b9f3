module oc-gpu/lab/crds

go 1.25.0

require (
	github.com/openshift/api v0.0.0-20260521125114-09730f85d883
	github.com/operator-framework/api v0.43.0
	github.com/prometheus-operator/prometheus-operator v0.83.0
)
