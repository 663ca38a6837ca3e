"""Bodies and queries that are a trap somewhere: for every operation of the OpenAPI document."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from tests.fuzz.api import Findings, fault_of
from tests.fuzz.cast import People

BODIES: Final = (
    b"", b"null", b"0", b'"x"', b"[]", b"{}", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe{\x00}\x00", b'{"\\ud800": 1}',
    b'{"email":"\\ud800@x"}', b'{"name":"\\ud800","email":"a@b.c"}', b'{"code":NaN}', b'{"position":{"lat":NaN,"lon":1e999}}',
    b'{"place":{"kind":"circle","lat":NaN,"lon":0,"radius_m":1e999}}', b'{"until":"9999-12-31T23:59:59+00:00"}',
    b'{"until":"0001-01-01T00:00:00+14:00"}', b'{"until":1e300}', b'{"until":99999999999999999999}',
    b'{"window":{"start":"9999-12-31T23:59:59-14:00","end":"9999-12-31T23:59:59-14:00"},"address":"TL-7","reference":"x"}',
    b'{"window":{"start":"0001-01-01T00:00:00+14:00","end":"9999-12-31T23:59:59-14:00"},"address":"\\u0000","reference":"x"}',
    b'{"window":{"start":-1e18,"end":1e18},"address":"TL-7K3M-9QXD-4HWE","reference":"x"}',
    b'{"jwk":{"kty":"EC","crv":"P-256","x":"\\ud800","y":[[[]]]},"code":"\\ud800","proof":"a.b.c"}',
    b'{"jwk":{"kty":1},"code":"x","proof":"a.b.c"}', b'{"jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},"code":"x","proof":"a.b.c"}',
    b'{"public_jwk":{"kty":"EC","crv":"P-256","x":"\\ud800","y":1}}', b'{"public_jwk":{"\\ud800":1},"name":"x"}',
    b'{"assertion":"eyJhbGciOiJFUzI1NiJ9.e30.AA"}', b'{"token":"' + b"A" * 44 + b'"}', b'{"token":"\\u0000\\ud800"}',
)  # fmt: skip
QUERIES: Final[tuple[Mapping[str, str], ...]] = (
    {}, {"limit": "9" * 400}, {"limit": "-1"}, {"after": '["\\ud800","x"]'}, {"after": '["1e999","dlv"]'},
    {"after": "[1" * 80}, {"after": '["inf","x"]'}, {"after": '["nan",null]'}, {"vehicle": "veh_\x00"},
)  # fmt: skip
_ENDING: Final = {("delete", "/v1/me"), ("delete", "/v1/session"), ("delete", "/v1/sessions")}


def play(url: str, people: People, *, each: int | None = None, seed: int = 0) -> Findings:
    """Every operation with every trap (or ``each`` of them), as who may ask it, about what is there."""
    dice = random.Random(seed)
    findings = Findings()
    with httpx.Client(base_url=url, timeout=30) as client:
        document = client.get("/v1/openapi.json").json()
        for method, path, operation in _operations(document):
            schemes = [name for one in operation.get("security", []) for name in one]
            headers = {"Authorization": f"Bearer {people.tokens[schemes[0]]}"} if schemes else {}
            traps: list[dict[str, Any]] = [{"params": query} for query in QUERIES]
            if method in {"post", "put"}:
                kind = {"Content-Type": "application/json"}
                traps = [{"content": body, "headers": {**headers, **kind}} for body in BODIES]
            for trap in traps if each is None else dice.sample(traps, each):
                said = client.request(method, _about(path, people), **{"headers": headers, **trap})
                findings.statuses[said.status_code] += 1
                if why := fault_of(said.status_code, said.headers.get("content-type", ""), said.content):
                    what = f"{method.upper()} {path}: {said.status_code} {why}"
                    findings.faults.setdefault(what, repr(trap)[:200])
    return findings


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            own_form = path == "/v1/oauth/token"
            endless = path.endswith(("/events", "/events/stream", "/release"))
            if (method, path) not in _ENDING and not endless and not own_form:
                yield method, path, operation


def _about(path: str, people: People) -> str:
    for name, there in people.known.items():
        path = path.replace(f"{{{name}}}", there[0])
    return path.replace("{session}", "0" * 16).replace("{source}", "src_0000000000000000")
