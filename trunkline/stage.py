"""A whole installation on this machine: store, broker, api, work, gateway and cars as processes of one directory.

``trunkline demo``, the journeys, the chaos runs and the benchmarks all stand on this one stage.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trunkline import embedded
from trunkline.installation import write_settings
from trunkline.nursery import Nursery
from trunkline.ports import free_port
from trunkline.processes import Child, ChildFailed, plain_environment


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on loopback."""

    store: int = field(default_factory=free_port)
    service: int = field(default_factory=free_port)
    vehicle: int = field(default_factory=free_port)
    api: int = field(default_factory=free_port)


class Stage:
    """Starts and stops the processes; each can be killed and started again by name.

    They are forked from a nursery: given, or the stage's own, which ends with it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        broker: Literal["mosquitto", "iotcore"] | None = None,
        profile: Path | None = None,
        api_port: int | None = None,
        extra: Mapping[str, object] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.directory = directory
        self.broker = broker or embedded.broker_kind()
        self.profile = profile
        self.ports = Ports(api=api_port or free_port())
        self._extra = dict(extra or {})
        self._held: embedded.Held | None = None
        self._nursery, self._own_nursery = nursery, nursery is None
        self.children: dict[str, Child] = {}

    @property
    def url(self) -> str:
        """Where the API is found: by name, since no passkey belongs to a number."""
        return f"http://localhost:{self.ports.api}"

    @property
    def nursery(self) -> Nursery:
        """Where its processes come from; started with the first of them."""
        if self._nursery is None:
            self._nursery = Nursery(log=self.directory / "logs" / "nursery.log")
        return self._nursery

    def environment(self, **extra: str) -> dict[str, str]:
        """What every process of this stage gets."""
        values = {"TRUNKLINE_DATA_DIR": str(self.directory), **extra}
        if self.profile:
            values["TRUNKLINE_PROFILE"] = str(self.profile)
        return plain_environment(values)

    def start(self) -> None:
        """Bring everything up; raises ``ChildFailed`` with the log of what did not start."""
        self._held = embedded.hold(self.directory)
        _ = self.nursery  # reads the code while the store starts
        self._write_settings()
        self.start_store()
        self.command("init")
        self.start_broker()
        for name in ("work", "gateway", "api"):
            self.start_service(name)

    def stop(self) -> None:
        """End all processes, the last started first."""
        for name in reversed(list(self.children)):
            self.children[name].stop()
        self.children.clear()
        if self._own_nursery and self._nursery is not None:
            self._nursery.close()
            self._nursery = None
        if self._held is not None:
            self._held.file.close()
            self._held = None

    def __enter__(self) -> "Stage":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_settings(self) -> None:
        write_settings(
            self.directory / "settings.toml",
            {
                "store_url": f"redis://127.0.0.1:{self.ports.store}/0",
                "listen_port": self.ports.api,
                "public_url": self.url,
                "broker_port": self.ports.service,
                "units_broker_port": self.ports.vehicle if self.broker == "mosquitto" else self.ports.service,
                "units_broker_auth": "certificate" if self.broker == "mosquitto" else "password",
                "webhooks_dev": True,
                # Mosquitto started as root drops to an account that could not read its own files here.
                **({"broker_user": "root"} if os.geteuid() == 0 else {}),
                **self._extra,
            },
        )

    def start_store(self) -> None:
        """Start the embedded Valkey on this stage's folder."""
        log = self.directory / "logs" / "valkey.log"
        self.children["store"] = embedded.start_valkey(self.directory / "store", self.ports.store, log=log)

    def start_broker(self) -> None:
        """Start the broker with the configuration ``init`` generated."""
        log = self.directory / "logs" / "broker.log"
        config = self.directory / "broker"
        if self.broker == "mosquitto":
            self.children["broker"] = embedded.start_mosquitto(
                config / "mosquitto.conf", self.ports.service, log=log
            )
            self.children["broker"].wait_for_port(self.ports.vehicle)
        else:
            self.children["broker"] = embedded.start_iotcore(
                config / "iotcore.toml", self.ports.service, log=log
            )

    def start_service(self, name: str) -> None:
        """Start api, work or gateway and wait until it says it is ready."""
        command = {"api": "serve"}.get(name, name)
        extra = {
            "work": {"TRUNKLINE_SIGNING_DIR": str(self.directory / "keys")},
            "gateway": {"TRUNKLINE_COMMAND_KEY_DIR": str(self.directory / "keys")},
        }.get(name, {})
        log = self.directory / "logs" / f"{name}.log"
        seen = log.stat().st_size if log.exists() else 0
        child = self.nursery.child(name, command, log=log, environment=self.environment(**extra))
        self.children[name] = child
        child.wait_for_line(f"ready service='{name}'", since=seen)
        if name == "api":
            child.wait_for_port(self.ports.api)

    def command(self, *arguments: str, stdin: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Run ``trunkline ... --json`` and give what it printed; raises ``ChildFailed`` when it says no."""
        done = self.nursery.run([*arguments, "--json"], stdin=stdin, environment=self.environment())
        if done.returncode != 0:
            raise ChildFailed(f"trunkline {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def add_car(self, name: str = "car", *, options: tuple[str, ...] = ()) -> dict[str, Any]:
        """Make a unit's keys, enrol it, give it its certificates and start it. Returns what enrolment answered."""
        directory = self.directory / "units" / name
        request = self.command("unit", "init", "--dir", str(directory))
        answer: dict[str, Any] = self.command("vehicle", "enrol", "-", stdin=json.dumps(request))
        if self.broker == "iotcore":
            self.restart_broker()
        self.command("unit", "install", "-", "--dir", str(directory), stdin=json.dumps(answer))
        self.start_unit(name, options=options)
        return answer

    def start_unit(self, name: str = "car", *, options: tuple[str, ...] = ()) -> None:
        """Start the unit process of an enrolled car."""
        directory = self.directory / "units" / name
        log = self.directory / "logs" / f"unit-{name}.log"
        seen = log.stat().st_size if log.exists() else 0
        self.children[f"unit-{name}"] = self.nursery.child(
            f"unit-{name}", "unit", "--dir", str(directory), *options, log=log, environment=self.environment()
        )
        self.children[f"unit-{name}"].wait_for_line("ready", since=seen)

    def pair(self, name: str = "car") -> Any:  # noqa: ANN401 - JSON
        """Turn the ignition on, have the car show a claim code, turn it off again."""
        directory = str(self.directory / "units" / name)
        self.command("unit", "tell", '{"ignition": true}', "--dir", directory)
        shown = self.command("unit", "pair", "--dir", directory)
        self.command("unit", "tell", '{"ignition": false}', "--dir", directory)
        return shown

    def restart_broker(self) -> None:
        """The wheel's broker reads its accounts once, at start."""
        self.children.pop("broker").stop()
        self.start_broker()

    def kill(self, name: str) -> None:
        """SIGKILL one process, as a crash would."""
        self.children.pop(name).kill()

    def failed(self) -> list[str]:
        """Names of processes that ended by themselves."""
        return [name for name, child in self.children.items() if not child.running]
