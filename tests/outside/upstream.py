"""A scripted upstream on a real socket: hands each request to a function and sends the reply that it returns, in the
pieces that it is cut into."""

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class Reply:
    """What to answer. Each piece becomes a write, and a chunk of the transfer coding, of its own."""

    status: int = 200
    headers: dict = field(default_factory=lambda: {"content-type": "application/json"})
    pieces: list = field(default_factory=list)

    @classmethod
    def document(cls, value, status=200, **headers):
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, {"content-type": "application/json", **headers}, [json.dumps(value).encode()])

    @classmethod
    def events(cls, pieces):
        return cls(200, {"content-type": "text/event-stream; charset=utf-8"}, pieces)


class Upstream:
    """A running upstream. `script` may be replaced at any time; `asked` holds every request so far."""

    def __init__(self, script=None):
        self.script = script
        self.asked = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                super().setup()

            def do_POST(self):
                body = self._body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body)
                upstream.asked.append(asked)
                reply = upstream.script(asked)
                try:
                    self._send(reply)
                except OSError:
                    self.close_connection = True  # The gateway left, which some tests want.

            do_GET = do_POST

            def _body(self):
                if self.headers.get("transfer-encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length") or 0))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _send(self, reply):
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in reply.pieces:
                    if piece:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
