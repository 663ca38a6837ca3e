"""The peer of ``page_decision``: bare FastAPI and Jinja2, one page, its words from memory. ``page_peer PORT WORD...``"""

import socket
import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A delivery</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<h1>A delivery</h1>
<dl>{% for word in words %}<div><dt>{{ loop.index }}</dt><dd>{{ word }}</dd></div>{% endfor %}</dl>
<form method="post"><button name="answer" value="yes">Approve</button><button name="answer" value="no">Decline</button></form>
</body>
</html>
"""


class _Server(uvicorn.Server):
    """Says when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


def main(port: int, words: list[str]) -> None:
    """Serve until killed; says ``ready`` first."""
    app, page = FastAPI(), Environment(autoescape=True).from_string(PAGE)

    @app.get("/decision")
    async def decision() -> HTMLResponse:
        return HTMLResponse(page.render(words=words))

    _Server(uvicorn.Config(app, port=port, log_config=None, access_log=False)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
