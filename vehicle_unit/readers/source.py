"""Where a scan comes from, chosen by its address; all readers give the same ``FaultScan``."""

from collections.abc import Callable
from dataclasses import dataclass

from vehicle_gateway.diag.scan import FaultScan
from vehicle_unit.readers import elm as elm_reader
from vehicle_unit.readers.adapter import Adapter
from vehicle_unit.readers.findings import Heading
from vehicle_unit.readers.limits import ReaderLimits
from vehicle_unit.readers.port import BadAddress, check_address, open_port


@dataclass(frozen=True)
class Source:
    """One of the two: ``elm``, an adapter's address; ``doip``, HOST:PORT with the ECUs that are asked."""

    elm: str = ""
    doip: str = ""
    ecus: tuple[int, ...] = ()

    @classmethod
    def of(cls, *, elm: str, doip: str, ecus: tuple[int, ...], limits: ReaderLimits) -> "Source":
        """Raises ``BadAddress``: none or both are given, or one has not the form it needs."""
        if bool(elm) == bool(doip):
            raise BadAddress("either --elm or --doip says what to read")
        if elm:
            return cls(elm=check_address(elm))
        host, colon, port = doip.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise BadAddress("a DoIP gateway is HOST:PORT")
        return cls(doip=doip, ecus=tuple(dict.fromkeys(ecus or limits.uds_ecus)))

    def scan(self, heading: Heading, limits: ReaderLimits, uptime: Callable[[], float]) -> FaultScan:
        """Read the car; blocks up to ``whole_scan`` and a little. What goes wrong is in the outcome.

        Raises ``ModuleNotFoundError`` where the extra ``diag`` is needed and missing.
        """
        if self.elm:
            return elm_reader.scan(
                Adapter(lambda: open_port(self.elm, limits), limits, uptime), heading, limits
            )
        from vehicle_unit.readers.doip import Gateway, scan

        host, _, port = self.doip.rpartition(":")
        gateway = Gateway(host.strip("[]"), int(port), limits, uptime)
        return scan(gateway, self.ecus, heading, limits)
