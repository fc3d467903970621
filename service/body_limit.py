"""Request bodies beyond a limit are refused before they are read, or as soon as they exceed it."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import MEDIA_TYPE, Problem


class BodyLimit:
    """ASGI middleware: at most *max_bytes* of body, by Content-Length and by what really comes."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max_bytes:
            await self._refuse(send)
            return
        read, unread = 0, b"transfer-encoding" in headers or declared != b"0"

        async def counted() -> Message:
            nonlocal read, unread
            message = await receive()
            read += len(message.get("body", b""))
            unread = message.get("more_body", False)
            if read > self._max_bytes:
                raise HTTPException(413, self._detail())
            return message

        async def ended(message: Message) -> None:
            # else the server would go on reading what nobody wants, for as long as a client likes to send
            if unread and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, counted, ended)

    def _detail(self) -> str:
        return f"the request has more than {self._max_bytes:,} bytes: send smaller images, or fewer"

    async def _refuse(self, send: Send) -> None:
        title = "The request is too large"
        problem = Problem(type="/problems/body-too-large", title=title, status=413, detail=self._detail())
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": problem.model_dump_json().encode()})
