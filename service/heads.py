"""HEAD is answered wherever GET is, and alike, without the body (RFC 9110, 9.3.2): FastAPI's routes know their own methods alone."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_PARTS = (b"range", b"if-range")


class _Enough(Exception):
    """The head has gone out, and there is more of a body that nobody gets."""


class Heads:
    """ASGI middleware: what is inside of it sees a GET, and its body is not sent; one in pieces is not read either."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b""})
            if message.get("more_body", False):
                raise _Enough

        # a part may be asked for with GET alone (RFC 9110, 14.2)
        headers = [each for each in scope["headers"] if each[0] not in _OF_PARTS]
        # another: the server goes by its own, and frames no body
        asked = {**scope, "method": "GET", "headers": headers}
        try:
            await self._app(asked, receive, bare)
        except _Enough:
            pass
        finally:
            # the router's finding, which the metrics and the log go by
            scope["route"] = asked.get("route")
