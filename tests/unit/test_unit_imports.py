"""What goes into a car carries no server: checked in an interpreter that has loaded nothing else."""

import pkgutil
import subprocess
import sys

import vehicle_unit

_FORBIDDEN = (
    "spine", "people", "webhooks", "delivery", "keys.issue", "keys.signing", "fastapi", "starlette", "redis",
    "aiohttp", "jinja2", "pydantic_settings", "uvicorn",
)  # fmt: skip


def test_a_fresh_interpreter_finds_no_server_module() -> None:
    modules = [f"vehicle_unit.{module.name}" for module in pkgutil.iter_modules(vehicle_unit.__path__)]
    assert "vehicle_unit.unit" in modules
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"bad = [m for m in sys.modules if m.startswith({tuple(f'{f}.' for f in _FORBIDDEN)!r}) or m in {_FORBIDDEN!r}]\n"
        "print(*sorted(bad))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_server_s_gateway_package_is_loaded_only_in_its_open_parts() -> None:
    code = "import vehicle_unit.fleet, sys; print(*sorted(m for m in sys.modules if m.startswith(('vehicle_gateway.', 'keys.'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("vehicle_gateway.")} == {
        f"vehicle_gateway.{part}"
        for part in ("link", "bulk", "connection", "dial", "paho_client", "session", "wire")
    }
    assert all(name.startswith("keys.car") for name in loaded if name.startswith("keys."))
