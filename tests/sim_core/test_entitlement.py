"""Entitlement certificates and what dnf makes of them."""

import pytest
from tests import portal
from tests.sim_core import entitlements as given
from tests.sim_core.views import PROXY_ENV, SEARCH, changed, view

from oc_gpu.sim.hardware.entitlement import Standing, judge
from oc_gpu.sim.hardware.programs import behave
from oc_gpu.sim.scenario import SubscriptionFacts

PORTAL = given.portal_file()
KEY = portal.key_pem(given.private_key())
FACTS = SubscriptionFacts()


@pytest.mark.parametrize(
    ("files", "standing"),
    [
        (given.mounted(PORTAL, PORTAL), Standing.VALID),
        (given.mounted(given.certificate(), KEY), Standing.VALID),
        (given.mounted(PORTAL, None), Standing.NO_KEY),
        (given.mounted(b"no certificate", PORTAL), Standing.UNREADABLE),
        (given.mounted(given.certificate(-300, -10), KEY), Standing.OUT_OF_DATE),
        (given.mounted(given.certificate(10, 300), KEY), Standing.OUT_OF_DATE),
        (
            given.mounted(given.certificate(), portal.key_pem(given.private_key(1))),
            Standing.KEY_MISMATCH,
        ),
        (given.mounted(given.certificate(), b"nonsense"), Standing.KEY_MISMATCH),
        ({}, Standing.ABSENT),
        ({"/elsewhere/entitlement.pem": PORTAL}, Standing.ABSENT),
    ],
)
def test_a_certificate_is_judged_by_dates_key_and_place(
    files: dict[str, bytes], standing: Standing
) -> None:
    assert judge(files, FACTS, given.NOW).standing is standing


def test_a_revoked_serial_number_is_refused() -> None:
    facts = SubscriptionFacts(revoked_serials=(str(given.SERIAL),))
    assert judge(given.mounted(PORTAL, PORTAL), facts, given.NOW).standing is Standing.REVOKED


def test_an_entitled_container_behind_the_proxy_lists_every_kernel_devel_package() -> None:
    seen = view(
        "seed",
        "worker01",
        command=SEARCH,
        env=PROXY_ENV,
        files=given.mounted(PORTAL, PORTAL),
    )
    found = behave(seen)
    packages = [line.split(" : ")[0] for line in found.log if line.startswith("kernel-devel-")]
    assert found.exit_code == 0
    assert packages == [
        "kernel-devel-4.18.0-193.29.1.el8_2.x86_64",
        "kernel-devel-4.18.0-240.10.1.el8_3.x86_64",
        "kernel-devel-4.18.0-240.15.1.el8_3.x86_64",
    ]
    assert "Unable to read consumer identity" in found.log
    assert found.log[-1].startswith("kernel-devel-")


def test_without_entitlement_the_search_succeeds_and_finds_nothing() -> None:
    found = behave(view("seed", "worker01", command=SEARCH, env=PROXY_ENV))
    assert found.exit_code == 0
    assert found.log[-1] == "No matches found."
    assert not any(line.startswith("kernel-devel-") for line in found.log)


@pytest.mark.parametrize("env", [{}, {"https_proxy": "http://other.example.com:3128"}])
def test_without_the_right_proxy_nothing_can_be_downloaded(env: dict[str, str]) -> None:
    files = given.mounted(PORTAL, PORTAL)
    found = behave(view("seed", "worker01", command=SEARCH, env=env, files=files))
    assert found.exit_code == 1
    assert "Cannot download repomd.xml" in found.log[-1]


def test_a_revoked_certificate_gets_403_from_the_content_network() -> None:
    scenario = changed(
        "seed",
        subscription={
            "repositories": [{"id": "rhel-8-x", "title": "RHEL 8", "kernelDevel": ["4.18.0-1"]}],
            "revokedSerials": [str(given.SERIAL)],
        },
    )
    files = given.mounted(PORTAL, PORTAL)
    found = behave(view(scenario, "worker01", command=SEARCH, env=PROXY_ENV, files=files))
    assert found.exit_code == 1
    assert any("Status code: 403" in line for line in found.log)


def test_a_cluster_with_direct_internet_needs_no_proxy() -> None:
    scenario = changed("seed", network={"directInternet": True})
    files = given.mounted(PORTAL, PORTAL)
    assert behave(view(scenario, "worker01", command=SEARCH, files=files)).exit_code == 0


def test_the_key_appears_in_no_output() -> None:
    files = given.mounted(PORTAL, PORTAL)
    found = behave(view("seed", "worker01", command=SEARCH, env=PROXY_ENV, files=files))
    assert "PRIVATE KEY" not in "\n".join(found.log)
