"""A receiver of webhooks as a process: it fails, hangs or takes what it gets, as a file says.

Usage: receiver_process.py PORT FOLDER. In the folder, `mode` says `take`, `fail` or `hang`, and `secret` is the secret.
`taken` gets a line for each delivery that was verified and taken, also if nobody waits for the answer any more.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook

FOLDER = Path(sys.argv[2])


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        mode = (FOLDER / "mode").read_text()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if mode == "fail":
            self._answer(500)
            return
        event = Webhook((FOLDER / "secret").read_text()).verify(body, dict(self.headers))
        with (FOLDER / "taken").open("a") as taken:
            taken.write(json.dumps({"id": self.headers["webhook-id"], **event}) + "\n")
        if mode == "hang":
            time.sleep(3)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    """It may listen again at once where another one was killed."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
