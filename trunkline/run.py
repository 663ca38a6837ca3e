"""The three server processes: settings in, running until told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from typing import Any, ClassVar, Final

from spine.facts.delivery import OpeningStarted
from spine.problems import Kind, Problem
from trunkline.collector import keep_what_was_loaded
from trunkline.lines import start_logging
from trunkline.settings import Settings

log = logging.getLogger("trunkline")


class WrongKeys(Problem):
    """This process was given signing keys that are not its own, or not those it needs (keys.md 3.9)."""

    code: ClassVar[str] = "settings.keys"
    kind: ClassVar[Kind] = Kind.INVALID


_URGENT: Final = (OpeningStarted.model_fields["kind"].default,)
"""Kinds of facts after which a person stands in front of a car and waits."""


def let_others_first() -> None:
    """Nobody waits for `work` by the millisecond; a person stands in front of api, gateway and store.

    It still gets a tenth of a processor that all of them want (nice 10), so nothing starves.
    """
    os.nice(10)
    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def run_api() -> None:
    """Process `api`: HTTP."""
    import uvicorn

    from trunkline.app import create_app

    settings = Settings()
    start_logging(settings.log_level)
    if settings.signing_dir or settings.command_key_dir:
        raise WrongKeys("`serve` must not be given signing keys: unset signing_dir and command_key_dir")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.listen_host,
        port=settings.listen_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run()


def run_work() -> None:
    """Process `work`: readers, timers, the signer."""
    let_others_first()
    _run(_work(Settings()))


def run_gateway() -> None:
    """Process `gateway`: the broker on one side, the log on the other."""
    _run(_gateway(Settings()))


async def _work(settings: Settings) -> None:
    from trunkline.case_watch import CaseWatch
    from trunkline.compose import services
    from trunkline.ground import ground
    from trunkline.listening import readers, timers
    from trunkline.trust import Following, signing_keys
    from trunkline.upkeep import Upkeep

    start_logging(settings.log_level)
    if settings.command_key_dir:
        raise WrongKeys("`work` must not be given the gateway's key: unset command_key_dir")
    if settings.signing_dir is None:
        raise WrongKeys("`work` signs keys: set TRUNKLINE_SIGNING_DIR to the folder that `init` made")
    async with ground(settings, linger=settings.work_linger, lingers_on=_URGENT) as base:
        signing = await signing_keys(
            base.store, settings.signing_dir, ("key", "fresh", "log"), now=base.clock.now()
        )
        following = Following(base.store, base.clock, settings, signing)
        async with services(base, signing=signing) as parts:
            jobs = [reader.run() for reader in readers(parts)]
            jobs.append(parts.maintenance.centers.sweep.keep())
            upkeep = Upkeep(parts, signing)
            sending = parts.engine.run(settings.sender_name or socket.gethostname())
            watch = CaseWatch(parts)
            await _until_told(
                [*jobs, timers(parts).run(), sending, upkeep.run(), watch.run(), following.run()], name="work"
            )


async def _gateway(settings: Settings) -> None:
    from keys.signing import SignerInUse
    from trunkline.at_the_broker import gateway
    from trunkline.ground import ground
    from trunkline.trust import Following, signing_keys

    start_logging(settings.log_level)
    if settings.signing_dir:
        raise WrongKeys("`gateway` must not be given the key service's keys: unset signing_dir")
    if settings.command_key_dir is None:
        raise WrongKeys(
            "`gateway` signs commands: set TRUNKLINE_COMMAND_KEY_DIR to the folder that `init` made"
        )
    async with ground(settings) as base:
        signing = await signing_keys(base.store, settings.command_key_dir, {"cmd"}, now=base.clock.now())
        carrying = gateway(base, SignerInUse(signing, "cmd"))
        following = Following(base.store, base.clock, settings, signing)
        await _until_told([carrying.run(), following.run()], name="gateway", ready=carrying.wait_connected())


async def _until_told(
    jobs: list[Coroutine[Any, Any, None]], *, name: str, ready: Coroutine[Any, Any, None] | None = None
) -> None:
    """Run the jobs together until SIGTERM or SIGINT; a job that fails ends the process with its reason."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(job, name=f"{name}-{n}") for n, job in enumerate(jobs)]
    stopping = asyncio.create_task(stop.wait())
    if ready is not None:
        first = asyncio.create_task(ready)
        await asyncio.wait([first, stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
    keep_what_was_loaded()
    log.info("ready", extra={"service": name})
    await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
    for task in [*tasks, stopping]:
        task.cancel()
    await asyncio.gather(*tasks, stopping, return_exceptions=True)
    for task in failed:
        log.critical("process_ends", exc_info=task.exception(), extra={"task": task.get_name()})
    if failed:
        raise SystemExit(1)
    log.info("ended", extra={"service": name})


def _run(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main)
