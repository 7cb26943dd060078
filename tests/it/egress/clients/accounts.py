#!/usr/bin/env python3
"""Accounts for real clients, on loopback behind TLS: a forge, a package registry, a cloud. Each takes one real secret.

  accounts.py ROOT CERT KEY      reads one line of JSON with the secrets, prints its port, ends when standard input ends

What it is asked goes to ROOT/asked, a line each: the name it was asked by, the method, the path, and whether the secret
was right.
"""

import base64
import hashlib
import hmac
import json
import sys
from urllib.parse import quote, unquote, urlsplit

sys.dont_write_bytecode = True
import web  # noqa: E402

ROOT, CERT, KEY = sys.argv[1:4]
SECRETS = json.loads(sys.stdin.readline())


def signature(method, target, headers, body, secret):
    """Signature Version 4 of a request, by the book."""
    fields = headers["authorization"].split(" ", 1)[1]
    part = {name.strip(): value for name, value in (one.split("=", 1) for one in fields.split(","))}
    url, signed, scope = urlsplit(target), part["SignedHeaders"].split(";"), part["Credential"].split("/")[1:]
    pairs = (piece.partition("=")[::2] for piece in url.query.split("&") if piece)
    query = "&".join(sorted("=".join(quote(unquote(text), safe="-_.~") for text in pair) for pair in pairs))
    payload = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    lines = [method, quote(unquote(url.path), safe="/-_.~"), query]
    lines += [f"{name}:{headers[name].strip()}" for name in signed] + ["", ";".join(signed), payload]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), digest])
    key = ("AWS4" + secret).encode()
    for step in scope:
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), part["Signature"])


class Accounts(web.Spoken):
    def say(self, text, status=200, kind="application/json", **fields):
        super().say(text, status, kind, **fields)

    def is_known(self, name, body):
        """Whether the secret of this name came with the request."""
        said = self.headers.get("Authorization") or ""
        scheme, _, rest = said.partition(" ")
        if scheme == "AWS4-HMAC-SHA256":
            headers = {name.lower(): value for name, value in self.headers.items()}
            return signature(self.command, self.path, headers, body, SECRETS[name])
        if scheme == "Basic":
            rest = base64.b64decode(rest).decode().partition(":")[2]
        return hmac.compare_digest(rest.encode(), SECRETS[name].encode())

    def answer(self):
        body = self.whole()
        host = self.headers["Host"].split(":")[0]
        account = {"forge.test": "forge", "packages.test": "packages", "cloud.test": "cloud"}.get(host)
        known = account is not None and self.is_known(account, body)
        with open(f"{ROOT}/asked", "a") as log:
            log.write(f"{host} {self.command} {self.path} {known} {self.headers.get('Authorization')}\n")
        if self.path.startswith("/open"):
            return self.say(f"open {host}\n", kind="text/plain")
        if not known:
            return self.say('{"message":"Bad credentials"}', 401, WWW_Authenticate='Basic realm="accounts"')
        return {"forge": self.forge, "packages": self.packages, "cloud": self.cloud}[account](body)

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def forge(self, body):
        if self.path.startswith("/git/"):
            return self.git(ROOT, body)
        if self.path.startswith("/api/graphql"):
            return self.say('{"data":{"viewer":{"login":"somebody"}}}')
        self.say('{"login":"somebody"}', X_OAuth_Scopes="repo")

    def packages(self, body):
        if self.path == "/-/whoami":
            return self.say('{"username":"somebody"}')
        if self.command == "PUT":
            return self.say('{"ok":"created"}', 201)
        self.say('{"error":"not found"}', 404)

    def cloud(self, body):
        if self.command in ("PUT", "HEAD"):
            return self.say("", ETag='"etag"')
        if self.command == "GET":
            return self.say("<ListBucketResult><Contents><Key>a b</Key></Contents></ListBucketResult>", kind="text/xml")
        identity = "<Arn>arn:aws:iam::1:user/somebody</Arn><UserId>1</UserId><Account>1</Account>"
        result = f"<GetCallerIdentityResult>{identity}</GetCallerIdentityResult>"
        self.say(f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>", kind="text/xml")


print(web.secure(Accounts, CERT, KEY), flush=True)
sys.stdin.read()
