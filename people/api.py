"""All JSON routes of people, made by the composition root from the container of services."""

from fastapi import APIRouter

from people import (
    api_account,
    api_agents,
    api_cars,
    api_couriers,
    api_oauth,
    api_operator,
    api_passkeys,
    api_recovery,
    api_sign_in,
)
from people.api_parts import together
from people.service import People


def routes(people: People) -> APIRouter:
    """One router for all; every answer that is no success is a Problem (the token endpoint: RFC 6749)."""
    every = (
        api_sign_in,
        api_account,
        api_passkeys,
        api_recovery,
        api_cars,
        api_oauth,
        api_couriers,
        api_operator,
        api_agents,
    )
    return together(part.routes(people) for part in every)
