#!/usr/bin/env python3
"""Accounts for real clients, on loopback behind TLS: a forge, a package registry, a cloud. Each takes one real secret.

  accounts.py ROOT CERT KEY      reads one line of JSON with the secrets, prints its port, ends when standard input ends

What it is asked goes to ROOT/asked, a line each: the name it was asked by, the method, the path, and whether the secret
was right.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from urllib.parse import quote, unquote, urlsplit

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


class Accounts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *rest):
        pass

    def say(self, text, status=200, kind="application/json", **fields):
        text = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(text), **fields}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def whole(self):
        if "100-continue" in (self.headers.get("Expect") or ""):
            self.send_response_only(100)
            self.end_headers()
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

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
            return self.git(body)
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

    def git(self, body):
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": ROOT, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)), "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "REMOTE_USER": "u", "HOME": ROOT,
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(fields.pop("Status", "200 OK").split()[0])
        kind = fields.pop("Content-Type", "text/plain")
        self.say(rest, status, kind, **{name.replace("-", "_"): value for name, value in fields.items()})


class Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Threads(("127.0.0.1", 0), Accounts)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERT, KEY)
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
