"""The checks before the road say what would stop it, and what to do."""

from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.inputs import Certificate, Inputs, Problem, Release, Rights
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.model import Unread
from tests.checks import world
from tests.checks.world import NOW, inputs, only, said, snapshot


def _run(given: Inputs) -> tuple[Finding, ...]:
    return run_all(preflight.CHECKS, given)


def _on(**tables: Any) -> tuple[Finding, ...]:
    return _run(inputs(snapshot(**tables)))


OURS = {"labels": {"app.kubernetes.io/managed-by": "oc-gpu"}}


class TestSources:
    def test_all_read_is_good(self) -> None:
        assert only(_on(), "OCG0101").severity is Severity.OK

    def test_each_source_that_may_not_be_read_is_named_with_a_command(self) -> None:
        findings = _on(unread={"secrets": Unread("forbidden", "secrets is forbidden")})
        found = only(findings, "OCG0101")
        assert found.severity is Severity.UNKNOWN
        assert found.title == "secrets could not be read (forbidden)"
        assert found.remedy == ("oc auth can-i list secrets --all-namespaces",)

    def test_tokens_in_a_server_message_are_not_repeated(self) -> None:
        secret = "sha256~abcdefabcdef"
        findings = _on(unread={"secrets": Unread("failed", f"token {secret} refused")})
        assert secret not in str(findings)


class TestRelease:
    def test_a_known_release_is_good(self) -> None:
        found = only(_on(), "OCG0102")
        assert (found.severity, found.title) == (Severity.OK, "OpenShift 4.20.4 is known")

    @pytest.mark.parametrize(
        ("version", "severity", "remedy"),
        [
            ("3.11.0", Severity.ERROR, "update the cluster"),
            ("4.3.1", Severity.ERROR, "update the cluster"),
            ("4.5.9", Severity.ERROR, "update the cluster"),
            ("4.23.0", Severity.WARNING, "use a newer oc-gpu"),
            ("5.1.0", Severity.WARNING, "use a newer oc-gpu"),
            ("6.0.0", Severity.WARNING, "use a newer oc-gpu"),
        ],
    )
    def test_another_release_is_named(self, version: str, severity: Severity, remedy: str) -> None:
        given = replace(inputs(), release=Release(version, ("4.4", "4.20", "4.22", "5.0")))
        found = only(_run(given), "OCG0102")
        assert found.remedy == (remedy,)
        assert (found.severity, found.cause) == (severity, "unsupported-version-matrix")
        assert f"OpenShift {version} is not among" in found.title

    def test_a_cluster_without_clusterversion_is_no_openshift(self) -> None:
        found = only(_on(clusterversions=()), "OCG0102")
        assert (found.severity, "not an OpenShift" in found.title) == (Severity.ERROR, True)

    def test_a_clusterversion_without_release_is_unknown(self) -> None:
        given = replace(inputs(), release=Release("", ("4.20",)))
        assert only(_run(given), "OCG0102").severity is Severity.UNKNOWN


class TestNodes:
    def test_ready_nodes_are_counted(self) -> None:
        assert said(_on(), "OCG0103") == [(Severity.OK, "all 4 nodes are ready")]

    def test_a_node_that_is_not_ready_is_a_warning_with_its_reason(self) -> None:
        found = only(_on(nodes=(*world.WORKERS, world.node("w4", ready="False"))), "OCG0103")
        assert (found.severity, found.title) == (Severity.WARNING, "w4 is not ready")
        assert "KubeletNotReady" in found.evidence[0].quote

    def test_no_ready_worker_is_an_error(self) -> None:
        findings = _on(nodes=(world.node("master01"), world.node("w1", ready="Unknown")))
        assert (Severity.ERROR, "no worker node is ready") in said(findings, "OCG0103")


class TestProxy:
    def test_no_proxy_is_good(self) -> None:
        assert only(_on(), "OCG0201").severity is Severity.OK

    def test_a_proxy_is_shown_without_its_password(self) -> None:
        spec = {
            "httpProxy": "http://user:hun@ter2@proxy.example.com:8080",
            "noProxy": ".example.com",
            "trustedCA": {"name": "ca"},
        }
        found = only(_on(proxies=(world.raw("cluster", spec=spec),)), "OCG0201")
        assert found.severity is Severity.INFO
        assert found.title.endswith("through the proxy http://***@proxy.example.com:8080")
        assert "ter2" not in str(found)
        assert [e.quote for e in found.evidence][1:] == [
            "spec.noProxy: .example.com",
            "spec.trustedCA.name: ca",
        ]


class TestEntitlement:
    def test_none_needed_and_none_given_is_good(self) -> None:
        found = only(_on(), "OCG0301")
        assert found.severity is Severity.OK
        assert found.title.startswith("this cluster needs no entitlement: the Driver Toolkit")

    def test_needed_and_not_given_is_an_error_that_says_where_to_get_one(self) -> None:
        found = only(_run(inputs(entitlement=world.NEEDED)), "OCG0301")
        assert (found.severity, found.cause) == (Severity.ERROR, "entitlement-missing")
        assert "access.redhat.com" in found.remedy[0]

    def test_needed_and_given_is_good(self) -> None:
        given = replace(world.NEEDED, certificate=world.CERTIFICATE)
        assert only(_run(inputs(entitlement=given)), "OCG0301").severity is Severity.OK

    def test_given_but_not_needed_is_told(self) -> None:
        given = replace(world.NEEDED, needed=False, certificate=world.CERTIFICATE)
        assert only(_run(inputs(entitlement=given)), "OCG0301").severity is Severity.INFO

    def test_an_entitlement_on_the_nodes_needs_no_file(self) -> None:
        given = replace(world.NEEDED, on_nodes=True)
        assert only(_run(inputs(entitlement=given)), "OCG0301").severity is Severity.OK

    def test_skipping_one_that_is_needed_is_a_warning(self) -> None:
        given = replace(world.NEEDED, mode="skip")
        assert only(_run(inputs(entitlement=given)), "OCG0301").severity is Severity.WARNING

    @pytest.mark.parametrize(
        ("certificate", "severity", "words"),
        [
            (Certificate(0, NOW - 1), Severity.ERROR, "expired on 2023-11-14"),
            (Certificate(NOW + 86_400, NOW + 9e9), Severity.ERROR, "not valid before 2023-11-15"),
            (Certificate(0, NOW + 86_400), Severity.WARNING, "expires on 2023-11-15"),
        ],
    )
    def test_a_certificate_out_of_its_time_is_told_with_the_day(
        self, certificate: Certificate, severity: Severity, words: str
    ) -> None:
        given = replace(world.NEEDED, certificate=certificate)
        findings = said(_run(inputs(entitlement=given)), "OCG0301")
        assert [(s, words in title) for s, title in findings] == [
            (Severity.OK, False),
            (severity, True),
        ]


class TestDriverToolkit:
    def test_one_in_order_is_good(self) -> None:
        assert only(_on(), "OCG0701").severity is Severity.OK

    def test_its_trouble_is_a_warning_in_the_words_of_the_facts(self) -> None:
        warning = "the image stream openshift/driver-toolkit is missing: restore it first"
        given = replace(world.NEEDED, needed=False, warning=warning)
        found = only(_run(inputs(entitlement=given)), "OCG0701")
        assert (found.severity, found.title, found.remedy[0]) == (
            Severity.WARNING,
            "the image stream openshift/driver-toolkit is missing",
            "restore it first",
        )

    def test_a_build_from_packages_does_not_use_it(self) -> None:
        found = only(_run(inputs(entitlement=world.NEEDED)), "OCG0701")
        assert found.severity is Severity.INFO


class TestPools:
    def test_a_pool_that_takes_changes_is_good(self) -> None:
        assert said(_on(), "OCG0401") == [(Severity.OK, "pool worker (3 nodes) takes changes")]

    @pytest.mark.parametrize(
        ("pool", "cause"),
        [
            (world.pool(paused=True), "mcp-paused"),
            (world.pool(RenderDegraded="bad config"), "mcp-bad-machineconfig"),
            (world.pool(NodeDegraded="node w1 is reporting drift"), "mcp-degraded-other"),
        ],
    )
    def test_a_stuck_pool_is_an_error_where_certificates_roll_out(
        self, pool: dict[str, Any], cause: str
    ) -> None:
        cluster = snapshot(machineconfigpools=(pool,))
        found = only(_run(inputs(cluster, entitlement=world.NEEDED)), "OCG0401")
        assert (found.severity, found.cause) == (Severity.ERROR, cause)
        assert found.evidence
        assert found.remedy
        assert only(_run(inputs(cluster)), "OCG0401").severity is Severity.WARNING

    def test_a_pool_that_updates_is_told_so_that_a_killed_run_can_go_on(self) -> None:
        cluster = snapshot(machineconfigpools=(world.pool(Updating="1 of 3"),))
        found = only(_run(inputs(cluster, entitlement=world.NEEDED)), "OCG0401")
        assert found.severity is Severity.INFO


class TestOperatorsOffered:
    def test_the_choice_is_named_with_catalog_and_channel(self) -> None:
        found = only(_on(), "OCG0501")
        assert found.severity is Severity.OK
        assert found.title == (
            "certified-operators offers gpu-operator-certified.v25.10.1 in channel v25.10"
        )

    def test_no_fitting_release_is_an_error_with_its_hints(self) -> None:
        problem = Problem("no catalog offers it", ("add a catalog",), "olm-package-not-in-catalog")
        operator = replace(world.GPU_OPERATOR, problem=problem)
        found = only(_run(inputs(operators=(operator,))), "OCG0501")
        assert (found.severity, found.cause) == (Severity.ERROR, problem.cause)
        assert found.title == "the GPU Operator cannot be installed: no catalog offers it"
        assert found.remedy[0] == "add a catalog"

    def test_an_operator_that_somebody_installed_needs_no_offer(self) -> None:
        sub = world.raw("gpu", "x", spec={"name": "gpu-operator-certified"})
        operator = replace(world.GPU_OPERATOR, problem=Problem("no catalog offers it"))
        given = inputs(snapshot(subscriptions=(sub,)), operators=(operator,))
        assert said(_run(given), "OCG0501") == []


def _group(name: str, *targets: str) -> dict[str, Any]:
    return world.raw(name, world.NAMESPACE, spec={"targetNamespaces": list(targets)})


class TestRights:
    def test_what_only_other_commands_lack_is_a_warning_beside_the_good(self) -> None:
        lacks = Rights(asked=5, others=("disable: delete operators.operators.coreos.com",))
        found = [f for f in _run(inputs(rights=lacks)) if f.check == "rights"]
        assert [f.severity for f in found] == [Severity.OK, Severity.WARNING]
        assert found[1].evidence[0].quote.startswith("disable: delete operators")


class TestOperatorGroups:
    def test_none_yet_and_a_fitting_one_are_good(self) -> None:
        assert only(_on(), "OCG0502").severity is Severity.OK
        fitting = _on(operatorgroups=(_group("a", world.NAMESPACE),))
        assert only(fitting, "OCG0502").severity is Severity.OK

    @pytest.mark.parametrize(
        ("groups", "words"),
        [
            ((_group("a", world.NAMESPACE), _group("b")), "has 2 OperatorGroups"),
            ((_group("a"),), "targets all namespaces"),
        ],
    )
    def test_groups_that_olm_refuses_are_errors(self, groups: tuple[Any, ...], words: str) -> None:
        found = only(_on(operatorgroups=groups), "OCG0502")
        assert (found.severity, words in found.title) == (Severity.ERROR, True)
        assert found.remedy

    def test_two_groups_beside_a_subscription_of_somebody_else_are_an_error_too(self) -> None:
        theirs = world.raw("theirs", world.NAMESPACE, spec={"name": world.GPU_OPERATOR.package})
        groups = (_group("a", world.NAMESPACE), _group("b", world.NAMESPACE))
        found = only(_on(operatorgroups=groups, subscriptions=(theirs,)), "OCG0502")
        assert found.cause == "olm-multiple-operatorgroups"

    def test_a_shared_namespace_without_its_global_group_is_an_error(self) -> None:
        shared = replace(world.GPU_OPERATOR, namespace="openshift-operators", own_group=False)
        found = only(_run(inputs(operators=(shared,))), "OCG0502")
        assert (found.severity, found.cause) == (Severity.ERROR, "olm-no-operatorgroup")
        everything = world.raw("global-operators", "openshift-operators", spec={})
        given = inputs(snapshot(operatorgroups=(everything,)), operators=(shared,))
        assert only(_run(given), "OCG0502").severity is Severity.OK


class TestExisting:
    def test_our_own_are_not_told(self) -> None:
        mine = world.raw("gpu-cluster-policy", metadata=OURS)
        assert only(_on(clusterpolicies=(mine,)), "OCG0503").severity is Severity.OK

    def test_those_of_others_are_told_with_their_owner(self) -> None:
        theirs = {"labels": {"argocd.argoproj.io/instance": "gpus"}}
        nfd = world.raw("nfd-instance", "openshift-nfd", metadata=theirs)
        found = only(_on(nodefeaturediscoveries=(nfd,), clusterpolicies=()), "OCG0503")
        assert found.severity is Severity.INFO
        assert found.title.startswith(
            "NodeFeatureDiscovery/nfd-instance in openshift-nfd belongs to Argo CD gpus"
        )

    def test_subscriptions_of_other_packages_do_not_matter(self) -> None:
        sub = world.raw("etcd", "x", spec={"name": "etcd"})
        findings = _on(subscriptions=(sub,), clusterpolicies=())
        assert only(findings, "OCG0503").severity is Severity.OK


PLAIN = (world.node("worker01"), world.node("worker02"))
LABELLED = tuple(
    world.node(n, labels={"feature.node.kubernetes.io/pci-15ad.present": "true"})
    for n in ("worker01", "worker02")
)


class TestGpuNodes:
    def test_a_label_of_node_feature_discovery_is_enough(self) -> None:
        found = only(_on(), "OCG1501")
        assert (found.severity, found.objects) == (Severity.OK, ("Node/worker03",))

    @pytest.mark.parametrize("name", ["pci-10de", "pci-0302_10de", "pci-0300_10de"])
    def test_every_label_that_the_gpu_operator_looks_for_counts(self, name: str) -> None:
        labels = {f"feature.node.kubernetes.io/{name}.present": "true"}
        found = only(_on(nodes=(*PLAIN, world.node("w", labels=labels))), "OCG1501")
        assert (found.severity, found.objects) == (Severity.OK, ("Node/w",))

    def test_a_card_in_the_kernel_messages_is_quoted(self) -> None:
        line = world.CARD_LINE
        found = only(_on(nodes=PLAIN, journals={"worker02": f"x\n{line}\ny"}), "OCG1501")
        assert (found.severity, found.title) == (
            Severity.OK,
            "worker02 has an NVIDIA card (10de:1eb8)",
        )
        assert [e.quote for e in found.evidence] == [line]

    @pytest.mark.parametrize(
        "line",
        [
            world.OTHER_LINE,
            "pci 0000:13:00.1: [10de:10f8] type 00 class 0x040300",
            "pci 0000:05:00.0: [10de:1af1] type 00 class 0x068000",
        ],
    )
    def test_other_devices_sound_and_bridges_of_nvidia_are_no_gpu(self, line: str) -> None:
        findings = _on(nodes=PLAIN, journals={"worker01": line, "worker02": line})
        found = only(findings, "OCG1501")
        assert (found.severity, found.cause) == (Severity.ERROR, "no-gpu-node")
        assert said(findings, "OCG0801") == []

    def test_node_feature_discovery_without_a_card_on_all_workers_is_an_error(self) -> None:
        found = only(_on(nodes=LABELLED), "OCG1501")
        assert (found.severity, found.cause) == (Severity.ERROR, "no-gpu-node")
        assert "10de" in found.remedy[0]

    def test_labels_on_some_workers_only_prove_nothing_of_the_others(self) -> None:
        found = only(_on(nodes=(LABELLED[0], PLAIN[1])), "OCG1501")
        assert found.severity is Severity.UNKNOWN

    def test_nothing_read_is_unknown(self) -> None:
        found = only(_on(nodes=PLAIN), "OCG1501")
        assert found.severity is Severity.UNKNOWN

    def test_a_journal_that_lost_the_start_of_the_boot_counts_as_not_read(self) -> None:
        journals = dict.fromkeys(("worker01", "worker02"), "-- No entries --")
        assert only(_on(nodes=PLAIN, journals=journals), "OCG1501").severity is Severity.UNKNOWN

    def test_only_some_read_is_a_warning_that_names_the_others(self) -> None:
        found = only(_on(nodes=PLAIN, journals={"worker01": world.OTHER_LINE}), "OCG1501")
        assert found.severity is Severity.WARNING
        assert found.title.endswith("the messages of worker02 could not be read")

    def test_a_cluster_without_worker_has_no_gpu(self) -> None:
        found = only(_on(nodes=(world.node("master01"),)), "OCG1501")
        assert found.severity is Severity.ERROR


class TestSecureBoot:
    @pytest.mark.parametrize(
        ("line", "severity"),
        [
            (world.UNSECURED, Severity.OK),
            (world.CARD_LINE, Severity.OK),
            ("secureboot: Secure boot could not be determined (mode 0)", Severity.UNKNOWN),
            ("", Severity.UNKNOWN),
            ("-- Logs begin at Mon, end at Tue. --", Severity.UNKNOWN),
        ],
    )
    def test_what_the_kernel_says_decides(self, line: str, severity: Severity) -> None:
        assert only(_on(journals={"worker03": line}), "OCG0801").severity is severity

    @pytest.mark.parametrize(
        "line",
        [
            "[    0.000000] secureboot: Secure boot enabled",
            "Kernel is locked down from EFI Secure Boot mode; see man kernel_lockdown.7",
        ],
    )
    def test_secure_boot_on_a_gpu_node_is_an_error_with_the_line(self, line: str) -> None:
        found = only(_on(journals={"worker03": f"a\n{line}\nb"}), "OCG0801")
        assert (found.severity, found.cause) == (Severity.ERROR, "secure-boot-enabled")
        assert [e.quote for e in found.evidence] == [line]

    def test_secure_boot_on_a_node_without_gpu_does_not_matter(self) -> None:
        journals = {"worker01": "secureboot: Secure boot enabled", "worker03": world.UNSECURED}
        assert only(_on(journals=journals), "OCG0801").severity is Severity.OK

    def test_without_any_known_gpu_node_it_is_unknown(self) -> None:
        assert only(_on(nodes=PLAIN), "OCG0801").severity is Severity.UNKNOWN
