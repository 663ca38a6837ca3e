"""docker-compose.yml: the Compose specification's schema, and the rules of this house for it."""

import re

import pytest

from tests.service.plain_compose import PORTS, REPOSITORY, compose_file, image_folders, mounts

SERVICES = compose_file()["services"]
ALWAYS_ON = sorted(name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped")


def test_the_services_are_there() -> None:
    assert set(SERVICES) == {"store", "init", "broker", "work", "gateway", "api", "operator", "unit"}
    assert ALWAYS_ON == ["api", "broker", "gateway", "store", "unit", "work"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_have_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]
    assert re.match(r"\d+\.\d+\.\d+", tag)


def test_the_images_base_has_a_version() -> None:
    base = re.findall(r"^FROM (\S+)$", (REPOSITORY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert base
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in base)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nothing_runs_as_root_or_writes_beside_its_volumes(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ALWAYS_ON)
def test_what_stays_up_is_looked_at(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        assert not re.search(r"password|secret|token", key, re.IGNORECASE)
        assert "@" not in str(value), "a URL with a password"


def test_signing_keys_are_mounted_where_they_are_used_and_nowhere_else() -> None:
    for name, service in SERVICES.items():
        subpaths = {subpath for _, subpath, _, _ in mounts(service)}
        assert ("keys/key" in subpaths) == (name == "work")
        assert ("keys/cmd" in subpaths) == (name == "gateway")
        assert ("keys/push" in subpaths) == (name == "work")
        assert ("pki" in subpaths) == (name in {"work", "operator"})
        assert ("" in subpaths) == (name in {"init", "store", "unit"})
        assert all(read_only for _, subpath, _, read_only in mounts(service) if subpath.startswith("keys/"))
    assert "TRUNKLINE_SIGNING_DIR" not in SERVICES["api"]["environment"]
    assert "TRUNKLINE_COMMAND_KEY_DIR" not in SERVICES["api"]["environment"]


def test_only_cars_and_the_api_are_reached_from_outside() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"broker": ["8883:8883"], "api": ["127.0.0.1:8080:8080"]}
    assert SERVICES["store"]["networks"] == ["inside"]
    assert compose_file()["networks"]["inside"] == {"internal": True}
    assert set(PORTS) >= {"8883", "8080"}


def test_the_store_is_the_system_of_record() -> None:
    command = " ".join(SERVICES["store"]["command"])
    assert "--appendonly yes --appendfsync always --maxmemory-policy noeviction" in command


def test_the_image_brings_the_folders_that_are_written_without_a_mount() -> None:
    assert {"/data", "/unit"} <= set(image_folders())
