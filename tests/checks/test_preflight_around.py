"""The preflight looks at what stands around the road, too: each check good, and each bad."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.inputs import Inputs, Software
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Taint
from oc_gpu.snapshot.model import Unread
from tests import portal
from tests.checks import world
from tests.checks.world import BUILD, inputs, only, said, snapshot

CONFIG_MAPS = "configmaps/openshift-config"
REGISTRIES = "configs.imageregistry.operator.openshift.io"
URL = "http://proxy.example.com:3128"


def _on(given: Inputs | None = None, /, **tables: Any) -> tuple[Finding, ...]:
    made = replace(given or inputs(), snapshot=snapshot(**tables)) if tables else given
    return run_all(preflight.CHECKS, made or inputs())


def _found(code: str, given: Inputs | None = None, /, **tables: Any) -> tuple[Severity, str | None]:
    finding = only(_on(given, **tables), code)
    return finding.severity, finding.cause


def _proxy(no_proxy: str = ".svc,.cluster.local,10.0.0.0/16", **spec: Any) -> RawObject:
    return world.raw("cluster", spec={"httpsProxy": URL, **spec}, status={"noProxy": no_proxy})


class TestNoProxy:
    def test_without_a_proxy_there_is_nothing_to_say(self) -> None:
        assert said(_on(), "OCG0202") == []

    def test_own_addresses_past_the_proxy_are_good(self) -> None:
        assert _found("OCG0202", proxies=(_proxy(),))[0] is Severity.OK

    def test_own_services_through_the_proxy_are_an_error(self) -> None:
        found = _found("OCG0202", proxies=(_proxy(".example.com"),))
        assert found == (Severity.ERROR, "no-proxy-missing-cluster-ip")

    @pytest.mark.parametrize("entry", [".nvcr.io", "nvcr.io", "*", ".io"])
    def test_a_registry_past_the_proxy_is_a_warning(self, entry: str) -> None:
        findings = _on(proxies=(_proxy(f".svc,.cluster.local,{entry}"),))
        assert "noProxy covers nvcr.io, so nodes reach it directly or not at all" in [
            f.title for f in findings if f.severity is Severity.WARNING
        ]

    def test_a_name_that_only_ends_alike_is_none(self) -> None:
        assert (
            _found("OCG0202", proxies=(_proxy(".svc,.cluster.local,xnvcr.io"),))[0] is Severity.OK
        )


class TestTrustedCa:
    BUNDLE = portal.lasting().decode()

    def _with(self, text: str | None, now: float | None = None) -> tuple[Severity, str | None]:
        maps = (
            ()
            if text is None
            else (world.raw("ca", "openshift-config", data={"ca-bundle.crt": text}),)
        )
        cluster = snapshot(**{"proxies": (_proxy(trustedCA={"name": "ca"}),), CONFIG_MAPS: maps})
        given = inputs(replace(cluster, now=now or datetime.now(UTC).timestamp()))
        finding = only(run_all(preflight.CHECKS, given), "OCG0203")
        return finding.severity, finding.cause

    def test_valid_certificates_are_good(self) -> None:
        assert self._with(self.BUNDLE)[0] is Severity.OK

    def test_a_map_that_is_not_there_is_an_error(self) -> None:
        assert self._with(None) == (Severity.ERROR, "trusted-ca-missing")

    @pytest.mark.parametrize(
        "text",
        ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    )
    def test_what_is_no_certificate_is_an_error(self, text: str) -> None:
        assert self._with(text) == (Severity.ERROR, "trusted-ca-missing")

    def test_certificates_that_have_all_expired_are_an_error(self) -> None:
        later = (datetime.now(UTC) + timedelta(days=365 * 200)).timestamp()
        assert self._with(self.BUNDLE, later) == (Severity.ERROR, "registry-ca-untrusted")

    def test_a_map_that_may_not_be_read_is_unknown(self) -> None:
        cluster = snapshot(
            **{"proxies": (_proxy(trustedCA={"name": "ca"}),), CONFIG_MAPS: None},
            unread={CONFIG_MAPS: Unread("forbidden")},
        )
        findings = run_all(preflight.CHECKS, inputs(cluster))
        assert only(findings, "OCG0203").severity is Severity.UNKNOWN
        assert (
            "oc auth can-i list configmaps -n openshift-config" in only(findings, "OCG0101").remedy
        )


class TestRegistry:
    def test_one_with_storage_is_good(self) -> None:
        assert _found("OCG0204")[0] is Severity.OK

    def test_none_is_told(self) -> None:
        assert _found("OCG0204", **{REGISTRIES: ()})[0] is Severity.INFO
        removed = world.raw("cluster", spec={"managementState": "Removed"})
        assert _found("OCG0204", **{REGISTRIES: (removed,)})[0] is Severity.INFO

    def test_one_without_storage_is_a_warning(self) -> None:
        condition = {"type": "Available", "status": "False", "reason": "StorageNotConfigured"}
        bad = world.raw(
            "cluster", spec={"managementState": "Managed"}, status={"conditions": [condition]}
        )
        finding = only(_on(**{REGISTRIES: (bad,)}), "OCG0204")
        assert finding.severity is Severity.WARNING
        assert "it has no storage" in finding.title


class TestBudgets:
    def _budget(self, allowed: int) -> RawObject:
        status = {"expectedPods": 2, "currentHealthy": 2, "disruptionsAllowed": allowed}
        return world.raw("db", "shop", spec={"minAvailable": 2}, status=status)

    def test_one_that_lets_a_pod_go_is_good(self) -> None:
        assert _found("OCG0402", poddisruptionbudgets=(self._budget(1),))[0] is Severity.OK

    def test_one_that_lets_none_go_matters_where_nodes_reboot(self) -> None:
        tables = {"poddisruptionbudgets": (self._budget(0),)}
        assert _found("OCG0402", **tables) == (Severity.INFO, "drain-blocked-by-pdb")
        rolling = inputs(entitlement=world.NEEDED)
        assert _found("OCG0402", rolling, **tables) == (Severity.WARNING, "drain-blocked-by-pdb")

    def test_many_are_counted(self) -> None:
        findings = _on(poddisruptionbudgets=(self._budget(0),) * 9)
        assert [t for _, t in said(findings, "OCG0402")][-1].startswith("3 more")


class TestCatalogs:
    def _catalog(self, state: str) -> RawObject:
        status = {"connectionState": {"lastObservedState": state}}
        return world.raw("certified-operators", "openshift-marketplace", status=status)

    def test_one_that_answers_is_good(self) -> None:
        assert _found("OCG0504", catalogsources=(self._catalog("READY"),))[0] is Severity.OK

    def test_one_that_does_not_is_an_error(self) -> None:
        found = _found("OCG0504", catalogsources=(self._catalog("TRANSIENT_FAILURE"),))
        assert found == (Severity.ERROR, "olm-catalogsource-unhealthy")

    def test_one_that_a_subscription_of_somebody_else_waits_for_is_looked_at(self) -> None:
        status = {"connectionState": {"lastObservedState": "TRANSIENT_FAILURE"}}
        silent = world.raw("silent", "openshift-marketplace", status=status)
        assert "OCG0504" not in {f.code for f in _on(catalogsources=(silent,))}
        spec = {"name": world.GPU_OPERATOR.package, "source": "silent"}
        waiting = world.raw("theirs", world.NAMESPACE, spec=spec)
        given: dict[str, Any] = {"catalogsources": (silent,), "subscriptions": (waiting,)}
        assert _found("OCG0504", **given) == (Severity.ERROR, "olm-catalogsource-unhealthy")
        served = {**waiting, "status": {"installedCSV": "gpu.v1"}}
        csv = world.raw("gpu.v1", world.NAMESPACE, status={"phase": "Succeeded"})
        given |= {"subscriptions": (served,), "csvs": (csv,)}
        assert "OCG0504" not in {f.code for f in _on(**given)}


class TestBuilds:
    def test_nothing_known_is_good(self) -> None:
        assert _found("OCG0505")[0] is Severity.OK

    def test_one_that_is_known_to_fail_is_an_error(self) -> None:
        bad = Software(operator="23.3.0", avoid="it does not install on OpenShift; 23.3.1 does")
        finding = only(_on(inputs(software=bad)), "OCG0505")
        assert finding.severity is Severity.ERROR
        assert "does not install" in finding.title


class TestToolkitTags:
    def test_an_image_for_each_build_is_good(self) -> None:
        assert _found("OCG0702")[0] is Severity.OK

    def test_a_build_without_an_image_is_an_error(self) -> None:
        nodes = (world.node("master01"), world.gpu_node(build="9.6.20251111-0"))
        found = _found("OCG0702", inputs(snapshot(nodes=nodes)))
        assert found == (Severity.ERROR, "dtk-image-missing")

    def test_a_build_that_nobody_tells_is_unknown(self) -> None:
        nodes = (world.gpu_node(build=""),)
        assert _found("OCG0702", inputs(snapshot(nodes=nodes)))[0] is Severity.UNKNOWN

    def test_a_tag_without_a_name_is_an_error(self) -> None:
        stream = world.raw(
            "driver-toolkit", "openshift", status={"tags": [{"tag": BUILD}, {"tag": ""}]}
        )
        assert Severity.ERROR in [s for s, _ in said(_on(imagestreams=(stream,)), "OCG0702")]

    def test_where_packages_are_used_nothing_is_said(self) -> None:
        assert said(_on(inputs(entitlement=world.NEEDED)), "OCG0702") == []


def _card(device: str) -> dict[str, str]:
    return {"worker03": f"[    0.61] pci 0000:13:00.0: [10de:{device}] type 00 class 0x030200"}


class TestCards:
    def _with(self, device: str, **software: Any) -> tuple[Severity, str | None]:
        given = inputs(
            snapshot(journals=_card(device)),
            software=Software(**({"operator": "25.10.1", "driver": "580.105.08"} | software)),
        )
        finding = only(run_all(preflight.CHECKS, given), "OCG0803")
        return finding.severity, finding.cause

    @pytest.mark.parametrize("device", ["1eb8", "20b5", "2330", "1db6", "2901"])
    def test_driver_580_drives_them_all(self, device: str) -> None:
        assert self._with(device)[0] is Severity.OK

    def test_a_card_that_is_too_old(self) -> None:
        found = self._with("1db6", driver="595.91.07")
        assert found == (Severity.ERROR, "gpu-too-old-for-driver")

    def test_a_card_that_is_too_new(self) -> None:
        found = self._with("2901", driver="550.144.03")
        assert found == (Severity.ERROR, "unsupported-version-matrix")

    @pytest.mark.parametrize(
        ("device", "modules", "cause"),
        [
            ("1db6", "open", "open-kernel-module-unsupported"),
            ("2901", "proprietary", "open-kernel-module-required"),
        ],
    )
    def test_kernel_modules_that_do_not_fit(self, device: str, modules: Any, cause: str) -> None:
        assert self._with(device, modules=modules) == (Severity.ERROR, cause)

    def test_a_card_that_nobody_knows_is_unknown(self) -> None:
        assert self._with("ffff")[0] is Severity.UNKNOWN

    def test_the_label_of_feature_discovery_tells_too(self) -> None:
        nodes = (world.gpu_node(labels={"nvidia.com/gpu.family": "volta"}),)
        given = inputs(snapshot(nodes=nodes), software=Software(driver="595.91.07"))
        assert _found("OCG0803", given) == (Severity.ERROR, "gpu-too-old-for-driver")


class TestTaints:
    def _with(self, taint: Taint, **software: Any) -> list[tuple[Severity, str | None]]:
        nodes = (world.node("worker01"), world.gpu_node(taints=(taint,)))
        tolerations = ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
        given = inputs(
            snapshot(nodes=nodes), software=Software(**({"tolerations": tolerations} | software))
        )
        findings = run_all(preflight.CHECKS, given)
        return [(f.severity, f.cause) for f in findings if f.code == "OCG1302"]

    def test_the_usual_taint_is_tolerated(self) -> None:
        assert self._with(Taint("nvidia.com/gpu", "present", "NoSchedule"))[0][0] is Severity.OK

    def test_another_one_is_not(self) -> None:
        found = self._with(Taint("team", "ml", "NoSchedule"))
        assert found == [(Severity.ERROR, "operand-missing-toleration")]

    def test_one_that_evicts_hides_the_card_from_nfd(self) -> None:
        anything = ({"operator": "Exists"},)
        found = self._with(Taint("nvidia.com/gpu", "", "NoExecute"), tolerations=anything)
        assert found == [(Severity.ERROR, "nfd-worker-not-tolerating-taint")]

    def test_no_node_without_a_taint_leaves_no_place_for_the_operators(self) -> None:
        nodes = (world.gpu_node(taints=(Taint("nvidia.com/gpu", "", "NoSchedule"),)),)
        findings = _on(inputs(snapshot(nodes=nodes)))
        assert (
            Severity.WARNING,
            "every node has a taint, and the operators themselves tolerate none",
        ) in (said(findings, "OCG1302"))


class TestConflicts:
    def test_an_installation_of_somebody_else_is_an_error(self) -> None:
        chart = {"annotations": {"meta.helm.sh/release-name": "gpu"}}
        other = replace(
            world.daemon_set("nvidia-device-plugin-daemonset"),
            metadata=replace(
                world.daemon_set("x").metadata,
                name="nvidia-device-plugin-daemonset",
                namespace="kube-system",
                annotations=chart["annotations"],
            ),
        )
        finding = only(_on(**{"daemonsets.apps": (other,)}), "OCG0506")
        assert finding.severity is Severity.ERROR
        assert finding.remedy == ("take it away: helm uninstall -n kube-system gpu",)

    def test_the_operators_own_are_none(self) -> None:
        own = world.daemon_set("nvidia-device-plugin-daemonset")
        assert _found("OCG0506", **{"daemonsets.apps": (own,)})[0] is Severity.OK


class TestLeftOvers:
    def test_nothing_is_good(self) -> None:
        assert _found("OCG0507")[0] is Severity.OK

    def test_a_version_without_its_subscription_is_an_error(self) -> None:
        csv = world.raw("gpu-operator-certified.v23.9.0", world.NAMESPACE)
        assert _found("OCG0507", csvs=(csv,)) == (Severity.ERROR, "olm-orphan-csv")
        sub = world.raw("gpu", world.NAMESPACE, spec={"name": "gpu-operator-certified"})
        assert _found("OCG0507", csvs=(csv,), subscriptions=(sub,))[0] is Severity.OK

    def test_a_namespace_that_is_being_deleted_is_a_warning(self) -> None:
        gone = world.raw(world.NAMESPACE, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
        assert _found("OCG0507", namespaces=(gone,))[0] is Severity.WARNING
