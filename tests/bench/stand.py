"""The stand that measurements are made on: our own stage, with accounts for the bare peers at its broker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench import peers
from trunkline.stage import Stage
from vehicle_gateway import broker_config

PASSWORD: Final = "bench"  # of a broker that lives for one measurement, on loopback
_ACL: Final = f"""
user svc_bench_ask
topic readwrite bench/#
user svc_bench_echo
topic readwrite bench/#
user svc_bench_count
topic read {peers.UPLINK}
user svc_bench_flood
topic write {peers.UPLINK}
"""
PROFILE: Final = """\
# What a measurement needs otherwise than the defaults: nothing on the measured path.
[delivery]
prompts_most = 1000000
[people]
access_token_life = "PT2H"
[gateway]
unit_rate = 1000000.0
unit_burst = 1000000.0
"""


class NoPeer(Exception):
    """A peer did not run to its end; the message is what it said."""


class Asking:
    """Tells the asking peer to ask."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def trips(self, times: int, *, pause: float = 0.0) -> list[float]:
        """Milliseconds of round trips, one after the other with a pause (seconds) between. Raises ``NoPeer``."""
        if self._child.stdin is None or self._child.stdout is None:
            raise NoPeer("ask has no pipes")
        self._child.stdin.write(f"{times} {pause}\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise NoPeer("ask ended")
        took: list[float] = json.loads(line)
        return took


class Stand(Stage):
    """The real store, broker and processes of a directory, and the peers beside them on the same broker."""

    def __init__(self, directory: Path, *, settings: str = PROFILE) -> None:
        """``settings``: TOML above the defaults."""
        profile = directory.parent / "profile.toml"
        profile.write_text(settings, "utf-8")
        super().__init__(directory, broker="mosquitto", profile=profile)

    def start_broker(self) -> None:
        """With the peers' accounts in its files."""
        folder = self.directory / "broker"
        acl = folder / "acl"
        if "svc_bench" not in acl.read_text("utf-8"):
            acl.write_text(acl.read_text("utf-8") + _ACL, "utf-8")
            accounts = dict.fromkeys(("ask", "echo", "count", "flood"), PASSWORD)
            named = {f"svc_bench_{name}": password for name, password in accounts.items()}
            broker_config.set_passwords(folder / "passwd", named)
        super().start_broker()

    def peer(self, what: str, *arguments: object, account: str = "") -> Any:
        """Run a peer to its end; gives what it printed. Raises ``NoPeer``."""
        done = subprocess.run(
            self._command(what, account or what, arguments),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NoPeer(f"{what}: {done.stderr.strip() or done.returncode}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    @contextmanager
    def asking(self) -> Iterator["Asking"]:
        """A bare peer that asks and another that answers, both waiting to be told to."""
        with self._waiting("echo"), self._waiting("ask") as asking:
            yield Asking(asking)

    @contextmanager
    def _waiting(self, what: str) -> Iterator[subprocess.Popen[str]]:
        child = subprocess.Popen(
            self._command(what, what, ()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            if child.stdout is None or child.stdout.readline().strip() != "ready":
                raise NoPeer(f"{what} did not start")
            yield child
        finally:
            child.kill()
            child.wait()

    def _command(self, what: str, account: str, arguments: tuple[object, ...]) -> list[str]:
        port = str(self.ports.service)
        named = [f"svc_bench_{account}", PASSWORD, *map(str, arguments)]
        return [sys.executable, "-m", "tests.bench.peers", what, port, *named]
