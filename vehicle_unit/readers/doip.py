"""A scan over DoIP (ISO 13400): each ECU is asked for its codes by UDS 0x19 (extra ``diag``)."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from doipclient.client import DoIPClient
from doipclient.messages import (
    DiagnosticMessage,
    DiagnosticMessageNegativeAcknowledgement,
)
from udsoncan.client import Client
from udsoncan.configs import default_client_config
from udsoncan.connections import BaseConnection
from udsoncan.exceptions import (
    InvalidResponseException,
    NegativeResponseException,
    TimeoutException,
    UnexpectedResponseException,
)
from udsoncan.Request import Request
from udsoncan.services.ReadDTCInformation import ReadDTCInformation

from vehicle_gateway.diag import uds
from vehicle_gateway.diag.codes import Code, to_bytes
from vehicle_gateway.diag.scan import FaultCode, FaultScan, Monitors
from vehicle_unit.readers.adapter import Gone, OutOfTime, Raw
from vehicle_unit.readers.findings import Findings, Heading
from vehicle_unit.readers.limits import ReaderLimits

_ALL: Final = b"\xff"
_EMISSIONS: Final = 0x33
"""Functional group of 0x19 0x42: emissions (ISO 14229-1, annex D)."""
_MOST_MONITORS: Final = 64
_BROKEN: Final = (InvalidResponseException, UnexpectedResponseException, uds.Malformed)


class Silent(Exception):
    """No answer came in time, or the gateway says that there is no such ECU."""


class _Line(BaseConnection):
    """One ECU behind the gateway, as udsoncan wants it. A talkative other ECU cannot hold us up."""

    def __init__(
        self, doip: DoIPClient, ecu: int, tester: int, raw: Raw, uptime: Callable[[], float]
    ) -> None:
        super().__init__(f"doip-{ecu:04X}")
        self._doip = doip
        self._ecu = ecu
        self._tester = tester
        self._raw = raw
        self._uptime = uptime

    def open(self) -> "_Line":
        return self

    def close(self) -> None:
        """The gateway closes the line for all ECUs at once."""

    def is_open(self) -> bool:
        return True

    def specific_send(self, payload: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._raw.add(payload)
        self._doip.send_doip_message(DiagnosticMessage(self._tester, self._ecu, payload))

    def specific_wait_frame(self, timeout: float | None = None) -> bytes:
        until = self._uptime() + (timeout or 0.0)
        while (left := until - self._uptime()) > 0:
            try:
                said = self._doip.read_doip(timeout=left)
            except TimeoutError as late:
                raise TimeoutException("no answer in time") from late
            if getattr(said, "source_address", None) != self._ecu:
                continue
            if isinstance(said, DiagnosticMessageNegativeAcknowledgement):
                raise Silent(f"{said.nack_code!r}")
            if isinstance(said, DiagnosticMessage) and said.target_address == self._tester:
                data = bytes(said.user_data)
                self._raw.add(data)
                return data
        raise TimeoutException("no answer in time")

    def empty_rxqueue(self) -> None:
        """What still comes of an earlier question belongs to no other."""
        self._doip.empty_rxqueue()

    def empty_txqueue(self) -> None:
        """Nothing waits."""


class Gateway:
    """The car's DoIP entity: routing activated, connected again where it closes. ``uptime`` in seconds."""

    def __init__(self, host: str, port: int, limits: ReaderLimits, uptime: Callable[[], float]) -> None:
        self._host = host
        self._port = port
        self._limits = limits
        self._uptime = uptime
        self._ends = uptime() + limits.whole_scan.total_seconds()
        self._doip: DoIPClient | None = None
        self._connections = 0
        self.raw = Raw()

    def ask(self, ecu: int, function: int, data: bytes = b"") -> bytes:
        """Service 0x19. Gives the positive answer, or a refusal (``7F 19 xx``).

        Raises ``Silent``, ``uds.Malformed`` (not an answer to this), ``Gone`` and ``OutOfTime``.
        """
        if self._uptime() >= self._ends:
            raise OutOfTime
        try:
            return self._once(ecu, function, data)
        except OSError as cause:
            self.close()
            if self._connections >= self._limits.connections:
                raise Gone(type(cause).__name__) from cause
            return self.ask(ecu, function, data)

    def close(self) -> None:
        """Let go of the car."""
        if self._doip is not None:
            with suppress(OSError):
                self._doip.close()
            self._doip = None

    def _once(self, ecu: int, function: int, data: bytes) -> bytes:
        limits = self._limits
        line = _Line(self._doip or self._open(), ecu, limits.uds_tester, self.raw, self._uptime)
        timing: dict[str, Any] = {
            "p2_timeout": limits.uds_answer.total_seconds(),
            "p2_star_timeout": limits.uds_patience.total_seconds(),
            "request_timeout": limits.uds_patience.total_seconds(),
        }
        with Client(line, config={**default_client_config, **timing}) as client:  # type: ignore[typeddict-item]
            request = Request(service=ReadDTCInformation, subfunction=function, data=data)
            try:
                answer = client.send_request(request)
            except NegativeResponseException as refused:
                return bytes([0x7F, uds.READ, refused.response.code or 0])
            except TimeoutException as late:
                raise Silent from late
            except _BROKEN as broken:
                raise uds.Malformed("not an answer to this") from broken
        if answer is None or answer.original_payload is None:
            raise Silent
        return bytes(answer.original_payload)

    def _open(self) -> DoIPClient:
        self._connections += 1
        within = self._limits.connect_within.total_seconds()
        # doipclient connects without a timeout: see first whether anybody is there, and at which address
        with socket.create_connection((self._host, self._port), within) as tried:
            address = tried.getpeername()[0]
        self._doip = DoIPClient(
            address,
            self._limits.uds_ecus[0],
            tcp_port=self._port,
            client_logical_address=self._limits.uds_tester,
        )
        return self._doip


def scan(gateway: Gateway, ecus: tuple[int, ...], heading: Heading, limits: ReaderLimits) -> FaultScan:
    """Never raises for what the car says; the outcome tells. Closes the gateway."""
    findings = Findings()
    reading = _Reading(gateway, findings, limits)
    try:
        for ecu in ecus:
            reading.ecu(ecu)
    except Gone:
        findings.broke_off()
    except OutOfTime:
        findings.incomplete()
    finally:
        gateway.close()
    if reading.answered:  # else nobody is there: "no answer", not "partial"
        for ecu in ecus:
            if ecu not in reading.answered:
                findings.silent(_name(ecu))
    return FaultScan(
        **heading.members(),
        source="uds",
        outcome=findings.outcome,
        mil=reading.mil,
        readiness=reading.readiness(),
        ecus=findings.ecus(),
        raw=str(gateway.raw),
    )


def _name(ecu: int) -> str:
    return f"{ecu:04X}"


class _Reading:
    """One scan's way through the address list."""

    def __init__(self, gateway: Gateway, findings: Findings, limits: ReaderLimits) -> None:
        self._gateway = gateway
        self._findings = findings
        self._limits = limits
        self._tests: dict[str, bool] | None = {}
        self.answered: set[int] = set()
        self.mil: bool | None = None

    def ecu(self, ecu: int) -> None:
        """Its codes; where it has any, what more it says of them. Raises ``Gone``, ``OutOfTime``."""
        name = _name(ecu)
        found = self._records(ecu)
        if found is None:
            return
        self.answered.add(ecu)
        self._findings.heard(name)
        self.mil = bool(self.mil) or any(one.status & uds.StatusBit.WARNING_INDICATOR for one in found)
        faults = [(one, status) for one in found if (status := uds.status_of(one.status)) is not None]
        if not faults:
            return
        permanent, severities, counts = (
            self._permanent(ecu),
            self._severities(ecu),
            self._occurrences(ecu, faults),
        )
        self._findings.codes(
            name,
            [
                FaultCode(
                    code=one.code.text,
                    ftb=f"{one.code.failure_type or 0:02X}",
                    status="permanent" if one.code in permanent else status,
                    status_byte=one.status,
                    severity=severities.get(one.code),
                    occurrence=counts.get(one.code),
                )
                for one, status in faults
            ],
        )

    def readiness(self) -> Monitors | None:
        """Tests not completed since clearing, by code. None where an ECU does not tell it of its codes."""
        if self._tests is None or not self.answered:
            return None
        undone = [code for code, done in self._tests.items() if not done]
        return Monitors(supported=list(self._tests)[:_MOST_MONITORS], incomplete=undone[:_MOST_MONITORS])

    def _records(self, ecu: int) -> list[uds.Record] | None:
        """By status mask; where an ECU has no such function, of all codes that it supports. None: no answer."""
        for function, data in ((uds.BY_MASK, _ALL), (uds.SUPPORTED, b"")):
            answer = self._patiently(ecu, function, data)
            if answer is None:
                return None
            if (refused := uds.refusal(answer)) is not None:
                self._findings.silent(_name(ecu))
                if refused.unsupported:
                    continue
                return None
            try:
                found = uds.records(answer, function)
            except uds.Malformed:
                self._findings.silent(_name(ecu))
                return None
            self._findings.settled(_name(ecu))
            self._note_tests(answer[2], found)
            return found
        return None

    def _patiently(self, ecu: int, function: int, data: bytes) -> bytes | None:
        for _ in range(self._limits.uds_attempts):
            try:
                return self._gateway.ask(ecu, function, data)
            except Silent:
                continue
            except uds.Malformed:
                self._findings.silent(_name(ecu))
        return None

    def _note_tests(self, available: int, found: list[uds.Record]) -> None:
        if self._tests is None or not available & uds.StatusBit.NOT_COMPLETED_SINCE_CLEAR:
            self._tests = None
            return
        for one in found:
            code = one.code.text.lower()
            done = not one.status & uds.StatusBit.NOT_COMPLETED_SINCE_CLEAR
            self._tests[code] = self._tests.get(code, True) and done

    def _permanent(self, ecu: int) -> set[Code]:
        answer = self._extra(ecu, uds.PERMANENT)
        try:
            return set() if answer is None else {one.code for one in uds.records(answer, uds.PERMANENT)}
        except uds.Malformed:
            return set()

    def _severities(self, ecu: int) -> dict[Code, uds.Severity]:
        for function, data in (
            (uds.WWH_OBD, bytes([_EMISSIONS]) + _ALL + _ALL),
            (uds.SEVERITY, _ALL + _ALL),
        ):
            if (answer := self._extra(ecu, function, data)) is not None:
                with suppress(uds.Malformed):
                    return uds.severities(answer, function)
        return {}

    def _occurrences(self, ecu: int, faults: list[tuple[uds.Record, uds.Status]]) -> dict[Code, int]:
        found: dict[Code, int] = {}
        record = self._limits.uds_occurrence_record
        for one, _ in faults[: self._limits.uds_occurrences]:
            number = to_bytes(str(one.code))
            answer = self._extra(ecu, uds.EXTENDED, number + bytes([record]))
            if answer is None:
                break  # it has no such record: no use to ask for each code
            with suppress(uds.Malformed):
                if (count := uds.occurrence(answer, number, record)) is not None:
                    found[one.code] = count
        return found

    def _extra(self, ecu: int, function: int, data: bytes = b"") -> bytes | None:
        """What a scan can do without: asked once, None where it is not said."""
        try:
            answer = self._gateway.ask(ecu, function, data)
        except (Silent, uds.Malformed):
            return None
        return None if uds.refusal(answer) is not None else answer
