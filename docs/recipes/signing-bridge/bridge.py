"""A signing bridge: hears an owner's questions as signed webhooks, asks a rule of the owner's, posts the signed answer back.

Python 3.11 and nothing else. BRIDGE_NEWS_SECRET and BRIDGE_SECRET come from `trunkline owner link`, DECIDES_AT too.
usage: bridge.py PORT RULE...   RULE reads the question as JSON and prints approve or decline; anything else: no answer.
"""

import base64, hashlib, hmac, http.server, json, os, subprocess, sys, threading, time, urllib.request  # noqa: E401, I001

NEWS, OWN, DECIDES_AT = (os.environ[name] for name in ("BRIDGE_NEWS_SECRET", "BRIDGE_SECRET", "DECIDES_AT"))
RULE, done, busy = sys.argv[2:], set(), threading.Lock()


def signature(secret: str, message: str, at: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()


def verified(headers, body: bytes) -> bool:
    message, at, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (at.isascii() and at.isdigit() and abs(time.time() - int(at)) <= 300):
        return False
    ours = signature(NEWS, message, at, body).encode()
    return any(hmac.compare_digest(one.encode(), ours) for one in given.split(" "))


def decide(asked: dict) -> None:
    """Ask the rule, post the answer. What was asked goes back as its hash: an answer fits no other question."""
    said = subprocess.run(
        RULE, input=json.dumps(asked["content"]), stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    if said not in ("approve", "decline"):
        return  # no answer: the owner is asked by mail as well
    body = json.dumps({"question": asked["question"], "shown": asked["shown"], "decision": said}).encode()
    message, at = "bridge-" + asked["question"].replace(".", "-"), str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": signature(OWN, message, at, body),
    }
    try:
        urllib.request.urlopen(urllib.request.Request(DECIDES_AT, body, headers), timeout=10).close()
    except urllib.error.HTTPError as refused:
        if refused.code >= 500 or refused.code == 429:
            raise  # ours to try again; 409 and 410 say that it was decided or is over
        print(f"{asked['question']}: refused with {refused.code}", file=sys.stderr, flush=True)


class Bridge(http.server.BaseHTTPRequestHandler):
    timeout = 10  # seconds a sender may take over its request

    def do_POST(self) -> None:
        size = self.headers.get("content-length", "")
        body = (
            self.rfile.read(int(size)) if size.isascii() and size.isdigit() and int(size) <= 65_536 else b""
        )
        status = 401
        if verified(self.headers, body):
            event = json.loads(body)
            with (
                busy
            ):  # one at a time; it is answered once the decision is taken, so that a crash loses nothing
                asked = event["data"].get("question") if event["type"] == "delivery.asked" else None
                if asked and asked["decided"] is None and event["id"] not in done:
                    decide(asked)
                done.add(event["id"])
            status = 204
        self.send_response(status)
        self.end_headers()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bridge).serve_forever()
