"""A small S3 service in memory, on loopback, that can be made to fail; it checks no signatures."""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    sent_bytes: int | None = None
    """Of the body, before the connection is cut."""


def refusal(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


class FakeS3:
    """`fault` may answer in the service's place; None lets it answer itself. `requests` are all that came."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Answer | None] = lambda request: None
        self.connections: set[socket.socket] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                service.connections.add(self.connection)

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def respond(self) -> None:
                target = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                query = parse_qs(target.query, keep_blank_values=True)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, unquote(target.path), query, headers, body)
                service.requests.append(request)
                answer = service.fault(request) or service.answer(request)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body[: answer.sent_bytes])
                self.close_connection = answer.sent_bytes is not None

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self.respond
                raise AttributeError(name)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Listen no more, and cut all connections; twice is harmless."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, request: Request) -> Answer:
        """What a working service answers."""
        query, path = request.query, request.path
        upload_id = query.get("uploadId", [""])[0]
        match request.method:
            case "POST" if "uploads" in query:
                upload_id = f"{len(self.requests)}"
                self.uploads[upload_id] = {}
                begun = f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId>"
                return Answer(200, f"{begun}</InitiateMultipartUploadResult>".encode())
            case "POST":
                parts = self.uploads.pop(upload_id)
                self.objects[path] = b"".join(parts[number] for number in sorted(parts))
                return Answer(200, b"<CompleteMultipartUploadResult/>")
            case "PUT" if upload_id:
                self.uploads[upload_id][int(query["partNumber"][0])] = request.body
                return Answer(200, headers={"ETag": '"tag"'})
            case "PUT":
                self.objects[path] = request.body
                return Answer(200, headers={"ETag": '"tag"'})
            case "DELETE":
                self.uploads.pop(upload_id)
                return Answer(204)
            case _ if path not in self.objects:
                return refusal(404, "NoSuchKey")
            case "HEAD":
                return Answer(200, self.objects[path])
        data = self.objects[path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"])
        assert asked is not None
        start, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        if start >= len(data):
            return refusal(416, "InvalidRange")
        return Answer(206, data[start : last + 1], {"Content-Range": f"bytes {start}-{last}/{len(data)}"})


@contextmanager
def fake_s3() -> Iterator[FakeS3]:
    """The service, until the end of the `with` statement."""
    service = FakeS3()
    try:
        yield service
    finally:
        service.stop()
