"""``cfg``: how often the unit reports, and its renewed certificates; nothing that the verifier reads."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from vehicle_unit import provisioning
from vehicle_unit.executed import Answer
from vehicle_unit.provisioning import NotProvisioned

_log = logging.getLogger("trunkline.vehicle_unit")


class Configuration:
    """``heartbeat``: the unit is heard at least that often."""

    def __init__(self, folder: Path, heartbeat: timedelta) -> None:
        self._folder = folder
        self.heartbeat = heartbeat

    def configure(self, args: Mapping[str, Any]) -> Answer:
        """Take what a ``cfg`` says, or refuse all of it."""
        if set(args) - {"certificates", "heartbeat_seconds", "version"}:
            return Answer("refused", "not_supported")
        beat = args.get("heartbeat_seconds", self.heartbeat.total_seconds())
        if not isinstance(beat, int | float) or not 5 <= beat <= 3600:
            return Answer("refused", "bad_value")
        self.heartbeat = timedelta(seconds=beat)
        if "certificates" in args:
            return self._take_certificates(args["certificates"])
        return Answer("done")

    def _take_certificates(self, pems: object) -> Answer:
        if not isinstance(pems, dict) or not all(isinstance(pem, str) for pem in pems.values()):
            return Answer("refused", "bad_value")
        try:
            provisioning.check_certificates(self._folder, pems)
        except NotProvisioned as cause:
            _log.warning("certificates.refused", extra={"why": str(cause)})
            return Answer("refused", "bad_value")
        provisioning.store_certificates(self._folder, pems)
        return Answer("done")
