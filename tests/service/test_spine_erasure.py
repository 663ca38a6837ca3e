"""A planted person, erased: in no fact, no archive, no subject, and not in the rewritten append-only file."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from spine.archive import Archive
from spine.facts.people import PersonErased, PersonMade
from spine.house import init_house, open_house
from spine.ids import PersonId, UnitId, VehicleId
from spine.ingest import Incoming, forget_car_state, ingest
from spine.log import Log
from spine.store import Change, Once, Store, Write
from spine.valkey import Valkey
from tests.service.conftest import MORNING, until
from tests.service.valkeys import Server

NAME, MAIL, PLACE = "Ada Planted", "ada.planted@example.org", "52.5200,13.4050"
PERSON, CAR = PersonId("per_7aaaaaaaaaaaaaaa"), VehicleId("veh_7aaaaaaaaaaaaaaa")


@pytest.fixture
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("e"))
    server.start()
    yield server
    server.kill()


def _found(folder: Path) -> list[str]:
    """Where any of the person's data stands under a folder, whatever the file."""
    found = []
    for path in folder.rglob("*"):
        # A file that the store takes away just now, as it does after a rewrite, is none that is left.
        with suppress(FileNotFoundError):
            content = path.read_bytes() if path.is_file() else b""
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            found += [f"{path.name}: {word}" for word in (NAME, MAIL, PLACE) if word.encode() in content]
    return found


async def test_a_planted_person_is_nowhere_after_erasure(server: Server, tmp_path: Path) -> None:
    valkey = Valkey.at(server.url)
    try:
        await init_house(valkey)
        store = Store(valkey, await open_house(valkey))
        archive = Archive(Log(valkey, store.house), tmp_path)
        body = json.dumps({"name": NAME, "mail": MAIL})
        made, erased = PersonMade(at=MORNING, person=PERSON), PersonErased(at=MORNING, person=PERSON)
        await store.change(
            [PERSON], lambda _: Change({PERSON: Write("active", body)}, [made]), once=Once("people", "1")
        )
        unit = UnitId("vu_7aaaaaaaaaaaaaaa")
        await ingest(store, 7, [Incoming(CAR, unit, 1, 1, state={"position": PLACE})], now=MORNING)
        assert _found(server.folder)

        await store.change([PERSON], lambda _: Change({PERSON: Write("erased", "{}", ended=True)}, [erased]))
        await forget_car_state(store, CAR)
        await archive.write()
        await valkey.everywhere("BGREWRITEAOF")

        async def rewritten() -> bool:
            (info,) = await valkey.everywhere("INFO", "persistence")
            return (
                "aof_rewrite_in_progress:0" in info
                and "aof_rewrite_scheduled:0" in info
                and not _found(server.folder)
            )

        await until(rewritten)
        assert _found(tmp_path) == []
        facts = await Log(valkey, store.house).read(7)
        assert [entry.kind for entry in facts] == ["person.made", "person.erased"]
        assert (await archive.verify()).problems == []  # the chain is whole all the same
        assert (await store.load(PERSON)).ended
        assert await archive.trim(["none"], before=MORNING + timedelta(days=9)) == 0
    finally:
        await valkey.close()
