#!/usr/bin/env python3
"""Prints events of the gateway, and resumes after a disconnect. Only the standard library is needed.

    python3 client.py ws://localhost:8080/ --filter 'order.amount > 100'

It shows all that a client of the protocol eventgateway.v2 must do: see ../PROTOCOL.md."""
import argparse, base64, json, os, random, socket, ssl, struct, sys, time
from urllib.parse import urlencode, urlsplit

PROTOCOL = "eventgateway.v2"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SILENCE = 60  # seconds without a frame or a ping of the gateway, after which the connection is given up


class WebSocket:
    """A connection (RFC 6455), with what the gateway uses of it."""

    def __init__(self, url, query, token):
        u = urlsplit(url)
        secure = u.scheme == "wss"
        self.socket = socket.create_connection((u.hostname, u.port or (443 if secure else 80)), timeout=10)
        if secure:
            self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=u.hostname)
        self.stream = self.socket.makefile("rb")
        target = (u.path or "/") + "?" + "&".join(filter(None, [u.query, query]))
        lines = [f"GET {target} HTTP/1.1", f"Host: {u.netloc}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Protocol: {PROTOCOL}",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self.stream.readline().decode().strip()
        headers = {}
        while line := self.stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if " 101 " not in status + " ":
            raise OSError(f"the gateway answers {status}: {self.stream.read(int(headers.get('content-length', 0))).decode().strip()}")
        if headers.get("sec-websocket-protocol") != PROTOCOL:
            raise OSError(f"the server does not speak {PROTOCOL}")
        self.socket.settimeout(SILENCE)

    def read(self, n):
        data = self.stream.read(n)
        if len(data) < n:
            raise OSError("the connection has ended")
        return data

    def messages(self):
        """Yields (opcode, bytes), and answers pings. The gateway sends each message as one frame."""
        while True:
            opcode, length = self.read(2)
            opcode, length = opcode & 15, length & 127
            if length >= 126:
                length = struct.unpack(">H" if length == 126 else ">Q", self.read(2 if length == 126 else 8))[0]
            data = self.read(length)
            if opcode == PING:
                self.send(PONG, data)
            elif opcode == CLOSE:
                raise OSError(f"closed by the gateway: {struct.unpack('>H', data[:2])[0] if data else ''} {data[2:].decode()}")
            elif opcode in (TEXT, BINARY):
                yield opcode, data

    def send(self, opcode, data):
        mask = os.urandom(4)
        length = struct.pack(">B", 128 | len(data)) if len(data) < 126 else struct.pack(">BH", 128 | 126, len(data))
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.socket.sendall(bytes([128 | opcode]) + length + mask + masked)

    def close(self):
        self.socket.close()


class Client:
    """A subscription, and its position: all up to offset, and seen messages behind it."""

    def __init__(self, url, channels=(), filter="", token="", on_message=print, on_leave=None, on_gap=None):
        self.url, self.token = url, token
        self.selection = [("channel", c) for c in channels] + ([("filter", filter)] if filter else [])
        self.on_message, self.on_leave, self.on_gap = on_message, on_leave or (lambda _: None), on_gap or (lambda _: None)
        self.position = None

    def run(self):
        """Reads for ever: reconnects with growing random pauses, behind the last message."""
        attempt = 0
        while True:
            try:
                ws = WebSocket(self.url, urlencode(self.selection + list((self.position or {}).items())), self.token)
                try:
                    for opcode, data in ws.messages():
                        attempt = 0
                        self.receive(opcode, data)
                finally:
                    ws.close()
            except (OSError, ValueError) as err:
                pause = random.uniform(0, min(30, 0.5 * 2**attempt))
                attempt += 1
                print(f"{err}; next try in {pause:.1f} s", file=sys.stderr, flush=True)
                time.sleep(pause)

    def receive(self, opcode, data):
        """A binary frame in UTF-8 is a control message; every other frame is a payload."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        if opcode == TEXT or text is None:
            self.position["seen"] += 1
            self.on_message(data if text is None else text)
            return
        message = json.loads(text)
        kind = message.get("type")
        if kind == "subscribed":
            self.position = {name: message[name] for name in ("epoch", "offset", "seen")}
            if message.get("recovered") is False:
                self.on_gap({"reason": "events sent meanwhile are missing"})
        elif kind == "position":
            self.position.update(offset=message["offset"], seen=0)
        elif kind == "leave":
            self.position["seen"] += 1
            self.on_leave(message["message"])
        elif kind == "gap":
            self.on_gap(message)
        elif kind == "error":
            print("refused:", message["reason"], file=sys.stderr, flush=True)
        # Others, such as the welcome, are ignored.


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", default="ws://localhost:8080/")
    parser.add_argument("--channel", action="append", default=[])
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    Client(options.url, options.channel, options.filter, os.environ.get("GATEWAY_TOKEN", ""),
           on_message=lambda payload: print(payload, flush=True),
           on_leave=lambda message: print("leave:", json.dumps(message), flush=True),
           on_gap=lambda gap: print("gap:", gap["reason"], file=sys.stderr, flush=True)).run()


if __name__ == "__main__":
    main()
