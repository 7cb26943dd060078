#!/usr/bin/env python3
"""Servers for real clients, all on loopback: names, web with and without TLS, repositories, a database.

  servers.py ROOT CERT KEY      prints one line of JSON with its ports, ends when standard input ends

Every name under .test stands for 127.0.0.1. The web server gives what lies under ROOT, runs git's own HTTP program for
/git/, and says at /who which name it was asked by. The database knows one answer.
"""

import json
import os
import socket
import socketserver
import struct
import sys
import threading

sys.dont_write_bytecode = True
import web  # noqa: E402

ROOT, CERT, KEY = sys.argv[1:4]


def names(sock):
    while True:
        query, client = sock.recvfrom(4096)
        at, labels = 12, []
        while at < len(query) and query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
            at += query[at] + 1
        kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
        question = query[12 : at + 5]
        known = labels and labels[-1].lower() == "test"
        answers = b""
        if known and kind == 1:
            answers = b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 1, 60, 4, 127, 0, 0, 1)
        flags = 0x8180 if known else 0x8183
        head = query[:2] + struct.pack(">HHHHH", flags, 1, 1 if answers else 0, 0, 0)
        sock.sendto(head + question + answers, client)


class Web(web.Spoken):
    def __init__(self, *rest):
        super().__init__(*rest, directory=ROOT)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/git/"):
            return self.git(ROOT, self.whole())
        if path == "/who":
            return self.say(f"asked as {self.headers['Host'].split(':')[0]}\n")
        if path == "/headers":
            return self.say(json.dumps(dict(self.headers.items())), kind="application/json")
        described = ROOT + path if path.endswith(".json") else f"{ROOT}{path}/index.json"
        if os.path.exists(described):
            with open(described, "rb") as file:
                host = f"https://{self.headers['Host']}"
                return self.say(file.read().replace(b"@HOST@", host.encode()), kind="application/json")
        super().do_GET()

    def do_POST(self):
        if self.path.startswith("/git/"):
            return self.git(ROOT, self.whole())
        self.whole()
        self.say("taken\n")


class Database(socketserver.BaseRequestHandler):
    """PostgreSQL's protocol, version 3: no password, every query answers 42."""

    def handle(self):
        def whole(count):
            data = b""
            while len(data) < count:
                part = self.request.recv(count - len(data))
                if not part:
                    raise EOFError
                data += part
            return data

        def message(kind, body):
            return kind + struct.pack(">I", len(body) + 4) + body

        ready = message(b"Z", b"I")
        try:
            while True:
                size, code = struct.unpack(">II", whole(8))
                whole(size - 8)
                if code in (80877103, 80877104):
                    self.request.sendall(b"N")
                    continue
                break
            version = message(b"S", b"server_version\x0015.0\0") + message(b"S", b"client_encoding\0UTF8\0")
            self.request.sendall(message(b"R", struct.pack(">I", 0)) + version + ready)
            while True:
                kind = whole(1)
                whole(struct.unpack(">I", whole(4))[0] - 4)
                if kind != b"Q":
                    return
                column = b"n\0" + struct.pack(">IHIhih", 0, 0, 23, 4, -1, 0)
                row = message(b"T", struct.pack(">H", 1) + column) + message(b"D", struct.pack(">HI", 1, 2) + b"42")
                self.request.sendall(row + message(b"C", b"SELECT 1\0") + ready)
        except (EOFError, ConnectionError):
            pass


resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.bind(("127.0.0.1", 0))
threading.Thread(target=names, args=(resolver,), daemon=True).start()
ports = {
    "dns": resolver.getsockname()[1],
    "web": web.plain(Web),
    "tls": web.secure(Web, CERT, KEY),
    "database": web.serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Database)),
}
print(json.dumps(ports), flush=True)
sys.stdin.read()
