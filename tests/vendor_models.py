"""Our mappings against what the vendors publish: botocore's client and service model, and the ``twilio`` package.

Run as ``python -m tests.vendor_models FOLDER`` with the folder that holds both packages; prints what was found as JSON.
They come after ours on the path, so nothing of this environment is replaced by theirs.
"""

import asyncio
import json
import logging
import random
import sys
from typing import Any

sys.path.append(sys.argv[1])

from pydantic import SecretStr

from maintenance.centers_amazon import Connect, open_client, request_of, search_of
from maintenance.centers_twilio import TaskRouter, form_of, is_signed
from maintenance.centers_vendors import VendorFailed
from tests.unit.test_centers_tasks import INSTANCE, NOW, WORKSPACE, task

TOKEN = SecretStr("the token of an account")


def connect() -> dict[str, Any]:
    """AWS's own client takes the request, by its published model, and gives what our client makes of it."""
    import os

    os.environ |= {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    from botocore.stub import Stubber

    client: Any = open_client(INSTANCE, within=2)
    full = task(attributes={f"n{n}": "v" * 1_000 for n in range(32)}, due_at=NOW)
    requests = [request_of(each, INSTANCE, NOW) for each in (task(), full, task(due_at=NOW.replace(day=8)))]
    model, key = client.meta.service_model, task().idempotency_key
    shape = model.operation_model("StartTaskContact").input_shape
    search, alike = (
        search_of(key, INSTANCE, NOW, NOW),
        [{"Id": "c-8"}, {"Id": "c-9", "Name": f"call ({key})"}],
    )
    with Stubber(client) as stub:
        stub.add_response("start_task_contact", {"ContactId": "c-1"}, requests[0])
        stub.add_client_error("start_task_contact", "ServiceQuotaExceededException", http_status_code=402)
        stub.add_client_error("start_task_contact", "InvalidParameterException", http_status_code=400)
        stub.add_response("stop_contact", {}, {"ContactId": "c-1", "InstanceId": "i-1"})
        stub.add_client_error("stop_contact", "ContactNotFoundException", http_status_code=410)
        stub.add_response("search_contacts", {"Contacts": alike}, search)
        ours = Connect(INSTANCE, client)
        said = [asyncio.run(_started(ours)) for _ in range(3)]
        asyncio.run(ours.stop("c-1", why="withdrawn"))
        asyncio.run(ours.stop("c-1", why="withdrawn"))
        found = asyncio.run(ours.find(key, None, since=NOW, now=NOW))
        stub.assert_no_pending_responses()
    too_long = [problem for each in requests for problem in over(shape, each, "")]
    too_long += over(model.operation_model("SearchContacts").input_shape, search, "search")
    wrong = request_of(task(), INSTANCE, NOW) | {"Due": 1}
    sent = [_sent(client, each) for each in requests]
    refused = _refused(client, wrong)
    return {"said": said, "found": found, "too_long": too_long, "sent": sent, "unknown_is_refused": refused}


async def _started(ours: Connect) -> Any:
    try:
        return await ours.start(task(), now=NOW, again=False)
    except VendorFailed as failed:
        return [failed.reason, failed.for_good]


def over(shape: Any, value: Any, where: str) -> list[str]:
    """What is longer than the model says, or no word of an enumeration: botocore itself does not look at that."""
    found: list[str] = []
    most = shape.metadata.get("max")
    if shape.type_name == "string":
        if most is not None and len(value) > most:
            found.append(f"{where}: {len(value)} > {most}")
        if shape.enum and value not in shape.enum:
            found.append(f"{where}: {value} is no word of {shape.name}")
    elif shape.type_name == "map":
        for name, each in value.items():
            found += over(shape.key, name, f"{where}.{name}") + over(shape.value, each, f"{where}.{name}")
    elif shape.type_name == "structure":
        for name, each in value.items():
            found += over(shape.members[name], each, f"{where}.{name}")
    return found


def _sent(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The request as it would go over the wire, signed."""
    from botocore.awsrequest import AWSResponse

    caught: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        caught.append(request)
        return AWSResponse(request.url, 200, {}, _Body(b'{"ContactId": "c-2"}'))

    client.meta.events.register("before-send.connect.StartTaskContact", answer)
    try:
        client.start_task_contact(**request)
    finally:
        client.meta.events.unregister("before-send.connect.StartTaskContact", answer)
    http = caught[0]
    body = json.loads(http.body)
    return {"method": http.method, "url": http.url, "body": body, "bytes": len(http.body)}


class _Body:
    """A raw answer as urllib3 gives it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def stream(self, **_: Any) -> Any:
        yield self._raw


def _refused(client: Any, request: dict[str, Any]) -> bool:
    from botocore.exceptions import ParamValidationError

    try:
        client.start_task_contact(**request)
    except ParamValidationError:
        return True
    return False


def twilio() -> dict[str, Any]:
    """Twilio's own package builds the same requests; and its validator agrees with ours on what is signed."""
    from twilio.http.http_client import HttpClient
    from twilio.http.response import Response
    from twilio.request_validator import RequestValidator
    from twilio.rest import Client

    theirs: list[dict[str, Any]] = []

    class Recorder(HttpClient):
        def request(
            self,
            method: str,
            url: str,
            params: Any = None,
            data: Any = None,
            headers: Any = None,
            auth: Any = None,
            **_: Any,
        ) -> Any:
            theirs.append(
                {"method": method, "url": url, "params": params or {}, "data": data or {}, "auth": auth}
            )
            empty = json.dumps({"tasks": [], "meta": {"key": "tasks"}, "sid": "WT1"})
            return Response({"GET": 200}.get(method, 201 if not url.endswith("WT1") else 200), empty)

    form = form_of(task(), WORKSPACE, NOW)
    client = Client(
        WORKSPACE.account_sid,
        TOKEN.get_secret_value(),
        http_client=Recorder(logging.getLogger("twilio"), False),
    )
    tasks = client.taskrouter.v1.workspaces(WORKSPACE.workspace_sid).tasks
    key = task().idempotency_key
    tasks.list(evaluate_task_attributes=f'trunkline_key == "{key}"', page_size=1, limit=1)
    tasks.create(
        attributes=form["Attributes"], priority=int(form["Priority"]), timeout=int(form["Timeout"]),
        workflow_sid=form["WorkflowSid"], task_channel=form["TaskChannel"],
    )  # fmt: skip
    client.taskrouter.v1.workspaces(WORKSPACE.workspace_sid).tasks("WT1").update(
        assignment_status="canceled", reason="withdrawn"
    )
    ours = asyncio.run(_ours())
    return {"theirs": theirs, "ours": ours, "signed": _signatures(RequestValidator)}


async def _ours() -> list[dict[str, Any]]:
    from urllib.parse import parse_qsl, urlsplit

    asked: list[dict[str, Any]] = []

    class Line:
        async def ask(self, method: str, url: str, form: Any, auth: Any) -> tuple[int, str]:
            split = urlsplit(url)
            plain = split._replace(query="").geturl()
            params = dict(parse_qsl(split.query))
            secret = [auth[0], auth[1].get_secret_value()]
            asked.append(
                {"method": method, "url": plain, "params": params, "data": dict(form or {}), "auth": secret}
            )
            return 200, json.dumps({"tasks": [], "sid": "WT1"})

    vendor = TaskRouter(WORKSPACE, TOKEN, Line())
    await vendor.start(task(), now=NOW, again=True)
    await vendor.stop("WT1", why="withdrawn")
    return asked


def _signatures(validator: Any) -> dict[str, int]:
    """Random forms: how many their signature convinces us of, and how many changed ones."""
    rng = random.Random(7)
    judge, right, wrong = validator(TOKEN.get_secret_value()), 0, 0
    for _ in range(300):
        url = f"https://t.example/v1/centers/src_{rng.randrange(9**9)}/twilio"
        form = [
            (rng.choice("abcXYZé") + str(rng.randrange(4)), "ü" * rng.randrange(3) + str(rng.random()))
            for _ in range(rng.randrange(1, 9))
        ]
        form = list(dict(form).items())
        signature = judge.compute_signature(url, dict(form))
        right += is_signed(url, form, signature, TOKEN)
        name, value = form[0]
        wrong += is_signed(url, [(name, value + "x"), *form[1:]], signature, TOKEN)
        wrong += is_signed(url + "/", form, signature, TOKEN)
    return {"right": right, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps({"connect": connect(), "twilio": twilio()}, default=str))
