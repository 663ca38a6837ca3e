"""How far the desk reaches: its routes are these and no more, and none of them leads to an opening."""

import json
from pathlib import Path

from maintenance.desk_ports import Deliveries
from trunkline.helping import DeskDeliveries

ROOT = Path(__file__).parents[2]
ROUTES = {
    "/v1/desk/me": {"get"},
    "/v1/desk/cases": {"get"},
    "/v1/desk/claim": {"post"},
    "/v1/desk/wallboard": {"get"},
    "/v1/desk/signals": {"get"},
    "/v1/desk/cases/{case}": {"get"},
    "/v1/desk/cases/{case}/audit": {"get"},
    "/v1/desk/cases/{case}/slots": {"get"},
    "/v1/desk/cases/{case}/draft": {"put"},
    **{
        f"/v1/desk/cases/{{case}}/{act}": {"post"}
        for act in ("heartbeat", "release", "dial", "disposition", "lock", "close", "hold", "book")
    },
}


def test_the_desks_routes_are_these() -> None:
    described = json.loads((ROOT / "docs" / "generated" / "openapi.json").read_text("utf-8"))["paths"]
    found = {path: set(acts) for path, acts in described.items() if path.startswith("/v1/desk")}
    assert found == ROUTES


def test_of_deliveries_it_can_look_and_lock_and_nothing_else() -> None:
    asked = {name for name in vars(Deliveries) if not name.startswith("_")}
    assert asked == {"open_into", "context", "lock"}
    assert {name for name in vars(DeskDeliveries) if not name.startswith("_")} == asked


def test_no_file_of_the_desk_knows_keys_or_commands() -> None:
    for file in [*(ROOT / "maintenance").glob("desk*.py"), ROOT / "trunkline" / "helping.py"]:
        text = file.read_text("utf-8")
        for word in (
            "keys.issue",
            "hand_out",
            "vehicle_gateway.commands",
            "Op.",
            ".open(",
            "at_the_car.open",
        ):
            assert word not in text.replace("self._help.open(", "").replace("self.open(", ""), (
                file.name,
                word,
            )
    assert (ROOT / "trunkline" / "helping.py").read_text("utf-8").count("at_the_car.") == 1
