"""The services of docker-compose.yml as plain processes: the one place where hosts, ports and paths are translated."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compose_spec.compose_spec import PyOptions

from tests import warm
from trunkline.embedded import mosquitto_binary, valkey_binary
from trunkline.ports import free_port
from trunkline.processes import Child, Children, plain_environment

REPOSITORY = Path(__file__).parents[2]
HOST = re.compile(r"(^|//|@)(store|broker)(?=:|/|$)")
PORTS = ("6379", "1883", "8883", "8080")
ANY_HOST = "0.0.0.0"
LOOPBACK = "127.0.0.1"


def compose_file() -> dict[str, Any]:
    """The file, checked against the Compose specification; unknown members are refused."""
    read = PyOptions(apply_merge=True).from_yaml((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
    read.validate()
    found: dict[str, Any] = read.to_dict()
    return found


def image_folders() -> list[str]:
    """The folders that our image brings, for what is not mounted."""
    line = re.search(r"install -d .*", (REPOSITORY / "Dockerfile").read_text("utf-8"))
    assert line
    return [word for word in line[0].split() if word.startswith("/")]


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Volume, subpath, target, read-only of each mount."""
    for each in service.get("volumes", ()):
        if isinstance(each, str):
            source, target, *mode = each.split(":")
            yield source, "", target, mode == ["ro"]
        else:
            yield (
                each["source"],
                each.get("volume", {}).get("subpath", ""),
                each["target"],
                each.get("read_only", False),
            )


class PlainCompose:
    """Volumes are folders, a service's root is a folder of links into them, ports are free ones on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[str, dict[str, Any]] = compose_file()["services"]
        self.ports = {port: str(free_port()) for port in PORTS}
        self._children = Children()

    def volume(self, name: str, subpath: str = "") -> Path:
        path = self.folder / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path / subpath

    def root(self, name: str) -> Path:
        """The service's own file system, as far as it is ours to say."""
        root = self.folder / "roots" / name
        if root.exists():
            return root
        service = self.services[name]
        there = list(mounts(service))
        targets = [target for _, _, target, _ in there]
        ours = image_folders() if "build" in service else []
        for folder in [each for each in ours if not any(Path(each).is_relative_to(one) for one in targets)]:
            (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for source, subpath, target, _ in there:
            place = root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            assert self.volume(source, subpath).exists(), (
                f"{name}: {source}/{subpath} is not there to be mounted"
            )
            place.symlink_to(self.volume(source, subpath))
        return root

    def translated(self, name: str, text: str) -> str:
        """A word of a command or a value of the environment, as it is said outside containers."""
        if text.startswith(("/data", "/unit")):
            return str(self.root(name)) + text
        if text == ANY_HOST:
            return LOOPBACK
        return re.sub(rf"(^|:)({'|'.join(PORTS)})(?=/|$)", lambda m: m[1] + self.ports[m[2]], text)

    def words(self, name: str, command: list[str]) -> list[str]:
        """A command with its program found on this machine."""
        words = [self.translated(name, word) for word in command]
        if "build" in self.services[name]:  # its entry point
            return [sys.executable, "-m", "trunkline", *words]
        programs = {"valkey-server": str(valkey_binary()), "mosquitto": mosquitto_binary() or "mosquitto"}
        return [programs[words[0]], *words[1:]]

    def environment(self, name: str) -> dict[str, str]:
        given = self.services[name].get("environment", {})
        named = {key: HOST.sub(rf"\g<1>{LOOPBACK}", str(value)) for key, value in given.items()}
        own = {key: self.translated(name, value) for key, value in named.items()}
        if os.geteuid() == 0 and name == "init":
            own["TRUNKLINE_BROKER_USER"] = (
                "root"  # as root, Mosquitto would drop to an account without our files
            )
        return plain_environment(own)

    def start(self, name: str) -> Child:
        """The service's very command with its very environment."""
        child = Child.start(
            name,
            self.words(name, self.services[name]["command"]),
            log=self.folder / f"{name}.log",
            environment=self.environment(name),
        )
        return self._children.add(child)

    def run(self, name: str, *command: str, stdin: str | None = None) -> str:
        """``docker compose run --rm -T NAME COMMAND...``; gives what it printed."""
        return self._done(self.words(name, list(command)), name, stdin)

    def healthy(self, name: str) -> str:
        """The service's health check, for services of our own image."""
        kind, program, *words = self.services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "trunkline")
        return self._done(self.words(name, words), name, None)

    def _done(self, words: list[str], name: str, stdin: str | None) -> str:
        assert words[:3] == [sys.executable, "-m", "trunkline"]
        done = warm.run(*words[3:], environment=self.environment(name), stdin=stdin)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def move_broker(self) -> None:
        """`init` wrote paths as it sees them; the broker's root is another one here."""
        config = self.volume("data", "broker/mosquitto.conf")
        text = config.read_text("utf-8")
        config.write_text(text.replace(str(self.root("init")), str(self.root("broker"))), "utf-8")

    @contextmanager
    def up(self) -> Iterator[None]:
        """Everything that `docker compose up` starts, in the order of its conditions."""
        with self._children:
            self.start("store").wait_for_port(int(self.ports["6379"]))
            self.run("init", *self.services["init"]["command"])
            self.move_broker()
            self.start("broker").wait_for_port(int(self.ports["8883"]))
            started = {name: self.start(name) for name in ("work", "gateway", "api")}
            for name, child in started.items():
                child.wait_for_line(f"ready service='{name}'", seconds=120)
            started["api"].wait_for_port(int(self.ports["8080"]))
            yield
