"""A request and its response on uvicorn's connection, with one write for a response that the application has as a whole."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from headway.http.streams import BREAK_OFF

_FRAMING = {b"content-length", b"connection", b"transfer-encoding"}
_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\r\n"})
"""Bytes that no header has (RFC 9110, section 5.5), but for those between lines, which are counted."""
_WITHOUT_CONTENT = {204, 304}


class Cycle(RequestResponseCycle):
    """A request and its response.

    The start of a response is kept until its body comes. Both are written at once if they are all of it: half of the time that
    uvicorn takes for a response is spent on the check of each header, and a write of its own.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._start: Any = None

    async def send(self, message: Any) -> None:
        """Send a part of the response. Raises RuntimeError for what is not HTTP."""
        if message["type"] == "http.response.start" and self._start is None and not self.response_started:
            self._start = message
            return
        if message["type"] == BREAK_OFF:
            # What was written is still sent.
            self.transport.close()
            self.disconnected = True
            return
        start, self._start = self._start, None
        if start is not None:
            if self._can_write(message) and (head := self._head(start, message["body"])) is not None:
                self._write(head, message["body"])
                return
            await super().send(start)
        await super().send(message)

    def _can_write(self, message: Any) -> bool:
        is_whole = message["type"] == "http.response.body" and not message.get("more_body")
        return is_whole and not self.flow.write_paused and not self.disconnected

    def _head(self, start: Any, body: bytes) -> bytes | None:
        """Return the status and the headers; None for those that need more than to be written. Raises RuntimeError."""
        status = start["status"]
        lines = [STATUS_LINE[status][:-2]]
        is_framed = status in _WITHOUT_CONTENT
        for name, value in (*self.default_headers, *start["headers"]):
            if name in _FRAMING:
                if name != b"content-length":
                    return None
                if int(value) != len(body) and self.scope["method"] != "HEAD":
                    raise RuntimeError("Response content and Content-Length differ")
                is_framed = True
            lines.append(b"%b: %b" % (name, value))
        if not is_framed:
            return None
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = b"\r\n".join(lines)
        breaks = len(lines) - 1
        if len(head.translate(None, _CONTROLS)) != len(head) or head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            raise RuntimeError("Invalid HTTP header.")
        return head

    def _write(self, head: bytes, body: bytes) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"%b\r\n\r\n%b" % (head, b"" if self.scope["method"] == "HEAD" else body))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
