"""A command as it leaves for its car: signed, in its message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from vehicle_gateway.planning import CommandBody
from vehicle_gateway.wire import Command


class CommandSigner(Protocol):
    """The gateway's own key, purpose ``cmd``: claims to a ``tl-cmd+jwt``."""

    def sign(self, claims: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, slots=True)
class Ready:
    """``payload``: the message, of which nothing has left yet."""

    body: CommandBody
    payload: bytes = field(repr=False)

    @classmethod
    def of(cls, command: str, text: str, signer: CommandSigner) -> Self:
        """``text``: the command's subject as it is saved. Raises ``ValidationError``."""
        body = CommandBody.model_validate_json(text)
        return cls(body, Command(cmd=signer.sign(body.claims(command))).model_dump_json().encode())
