"""What the tests of python-socketio share: people, sockets that remember what they heard, and a
line that can be cut. SWITCHBOARD_URL and SWITCHBOARD_TOKEN come from scripts/with-server.
"""

import asyncio
import json
import os
import threading
import urllib.request

import aiohttp
import socketio

URL = os.environ["SWITCHBOARD_URL"]
ADMIN = {"token": os.environ["SWITCHBOARD_TOKEN"]}

# How long anything may take that should happen at once.
SOON_S = 5

TRANSPORTS = {
    "WebSocket only": ["websocket"],
    "long-polling only": ["polling"],
    "long-polling, then upgraded": ["polling", "websocket"],
}


def post(path, body, token=None):
    """The data of a successful POST."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(URL + path, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=SOON_S) as response:
        return json.load(response)["data"]


def start_conversation():
    """A customer's own conversation: its id, and what the customer shows in the handshake."""
    data = post("/api/sessions", {"name": "Budi"})
    return data["session_id"], {"sessionId": data["session_key"]}


def log_in(name):
    """The token and the id of one of the demo's people."""
    said = {"email": f"{name}@demo.example", "password": "demo"}
    data = post("/api/auth/login", said)
    return data["token"], data["user"]["id"]


def found(heard, event, fits):
    return next((data for name, data in heard if name == event and fits(data)), None)


class AsyncPeer:
    """One socket of the asynchronous client."""

    def __init__(self):
        self.heard = []
        self.news = asyncio.Condition()
        # One of our own, because the client leaves its own open when it reconnects.
        self.http = aiohttp.ClientSession()
        self.socket = socketio.AsyncClient(
            http_session=self.http, reconnection_delay=0.1, randomization_factor=0
        )
        self.socket.on("*", self._note)
        # That one hears none of the client's own events.
        self.socket.on("disconnect", self._note_end)

    async def _note_end(self, reason):
        await self._note("disconnect", reason)

    async def _note(self, event, *args):
        async with self.news:
            self.heard.append((event, args[0] if args else True))
            self.news.notify_all()

    async def connect(self, auth, transports, url=URL):
        await self.socket.connect(url, auth=auth, transports=transports)
        return await self.hears("authenticated")

    async def close(self):
        await self.socket.shutdown()
        await self.http.close()

    async def hears(self, event, fits=lambda data: True):
        """Waits for an event of this name that fits, however long ago it came."""
        async with self.news:
            check = self.news.wait_for(lambda: found(self.heard, event, fits) is not None)
            try:
                await asyncio.wait_for(check, SOON_S)
            except asyncio.TimeoutError:
                raise AssertionError(f"no {event} that fits, but {self.heard}") from None
        return found(self.heard, event, fits)

    async def asks(self, event, data):
        return await self.socket.call(event, data, timeout=SOON_S)

    def texts(self):
        return [data["content"] for name, data in self.heard if name == "message_received"]


class SyncPeer:
    """One socket of the client that works with threads."""

    def __init__(self):
        self.heard = []
        self.news = threading.Condition()
        self.socket = socketio.Client(reconnection=False)
        self.socket.on("*", self._note)

    def _note(self, event, *args):
        with self.news:
            self.heard.append((event, args[0] if args else True))
            self.news.notify_all()

    def connect(self, auth, transports):
        self.socket.connect(URL, auth=auth, transports=transports)
        return self.hears("authenticated")

    def hears(self, event, fits=lambda data: True):
        with self.news:
            check = self.news.wait_for(lambda: found(self.heard, event, fits) is not None, SOON_S)
        if not check:
            raise AssertionError(f"no {event} that fits, but {self.heard}")
        return found(self.heard, event, fits)

    def asks(self, event, data):
        return self.socket.call(event, data, timeout=SOON_S)


class Line:
    """A line to the server that can be cut without a close frame."""

    def __init__(self):
        self.ends = set()
        self.is_open = True

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port = self.listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self.cut()
        self.listener.close()

    async def _pass_on(self, near_in, near):
        if not self.is_open:
            near.transport.abort()
            return
        host, port = URL.rsplit("/", 1)[1].rsplit(":", 1)
        far_in, far = await asyncio.open_connection(host, port)
        self.ends |= {near, far}
        await asyncio.gather(self._copy(near_in, far), self._copy(far_in, near))
        self.ends -= {near, far}

    async def _copy(self, source, sink):
        try:
            while data := await source.read(65536):
                sink.write(data)
        except ConnectionError:
            pass
        sink.close()

    def cut(self):
        """Breaks every connection, and lets nobody through until `open`."""
        self.is_open = False
        for end in self.ends:
            end.transport.abort()

    def open(self):
        self.is_open = True
