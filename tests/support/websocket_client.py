"""A visitor without a browser: speaks Streamlit's websocket protocol with the app on this machine.

Like the browser it keeps what the server showed, the values of all widgets, the address, and the
messages that the server may send by their hash alone; and it runs again the fragments that ask for
it. It never speaks to another machine, and every wait has an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.widgets import set_value, shown_value

HOSTS = ("localhost", "127.0.0.1", "::1")
PATIENCE_S = 60.0
MAX_MESSAGE = 64 * 2**20
CACHED_RUNS = 2
"""How many runs of the script the browser remembers a message for (global.maxCachedMessageAge)."""

Path = tuple[int, ...]


class LostSessionError(Exception):
    """The server did not answer in time, closed the socket or gave another session."""


@dataclass(frozen=True)
class Run:
    """One run of the script, as a person waits for it.

    Attributes:
        seconds: From the click to ``script_finished``, over all reruns that the script asked for.
        n_messages: What came meanwhile.
        n_bytes: Of these messages.
    """

    seconds: float
    n_messages: int
    n_bytes: int


@dataclass(frozen=True)
class _Shown:
    element: Element
    fragment: str
    run: str


class Visitor:
    """One tab: a session on the server, and what it shows.

    Attributes:
        session_id: The server's name for it; kept over a reconnection.
        query: What the address carries.
        title: Of the page.
        connections: How often it connected.
    """

    def __init__(self, url: str, page: str = "", *, query: str = "") -> None:
        parts = urlsplit(url)
        if parts.hostname not in HOSTS:
            raise ValueError(f"{url} is not on this machine.")
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._socket_url = f"ws://{parts.netloc}/_stcore/stream"
        self._page_name, self._page_hash = page, ""
        self._pages: dict[str, str] = {}
        self.query, self.title, self.session_id, self.connections = query, "", "", 0
        self._shown: dict[Path, _Shown] = {}
        self._values: dict[str, WidgetState] = {}
        self._cached: dict[str, tuple[ForwardMsg, int]] = {}
        self._n_runs = self._n_messages = self._n_bytes = 0
        self._run = ""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._has_begun = False
        self._timers: dict[str, asyncio.Task[None]] = {}

    # -- what a person does -----------------------------------------------------------------

    async def open(self) -> Run:
        """Open the page; or, after :meth:`disconnect`, come back to the same session."""
        before = self.session_id
        protocols = ["streamlit", *(["none", before] if before else [])]
        self._socket = await connect(
            self._socket_url,
            subprotocols=[Subprotocol(name) for name in protocols],
            max_size=MAX_MESSAGE,
            open_timeout=PATIENCE_S,
            compression=None,
            proxy=None,
        )
        self.connections += 1
        self._reader = asyncio.create_task(self._read(self._socket))
        run = await self._rerun()
        if before and self.session_id != before:
            raise LostSessionError(f"Session {before} became {self.session_id}.")
        return run

    async def disconnect(self) -> None:
        """Lose the connection, as a laptop that is closed; the session stays for a while."""
        self._stop_timers()
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    async def change(self, key: str, value: object) -> Run:
        """Give the widget of this key (or label) a value; a button is clicked whatever it is."""
        shown = self.find(key)
        state = set_value(shown.element, value)
        self._values[state.id] = state
        try:
            return await self._rerun(fragment=shown.fragment)
        finally:
            if state.WhichOneof("value") == "trigger_value":
                del self._values[state.id]

    async def go(self, page: str) -> Run:
        """Follow the navigation's link to a page."""
        if page != self._page_name:
            self._values.clear()
        self._page_hash = self._pages[page]
        self._stop_timers()
        return await self._rerun()

    async def wait_until(self, look: Callable[[Visitor], bool], *, patience_s: float) -> None:
        """Wait until the page shows what is looked for, while its fragments run by themselves."""
        end = time.monotonic() + patience_s
        while not look(self):
            if time.monotonic() > end:
                raise LostSessionError(f"Not after {patience_s:.0f} s: the page is {self.title!r}.")
            await asyncio.sleep(0.05)

    @property
    def page(self) -> str:
        """The name of the page in the address; empty for the first."""
        return self._page_name

    @property
    def pages(self) -> list[str]:
        """The names of all pages."""
        return list(self._pages)

    # -- what a person sees -----------------------------------------------------------------

    def elements(self, kind: str | None = None) -> Iterator[Any]:
        """What is shown, from top to bottom; of one kind, such as ``markdown``, or all."""
        for element in self.drawn():
            found = element.WhichOneof("type")
            if kind is None or found == kind:
                yield getattr(element, str(found))

    def drawn(self) -> list[Element]:
        """What is shown, from top to bottom."""
        return [self._shown[path].element for path in sorted(self._shown)]

    def has(self, key: str) -> bool:
        """Whether a widget of this key or label is shown."""
        with contextlib.suppress(KeyError):
            return bool(self.find(key))
        return False

    def find(self, key: str) -> _Shown:
        """The widget of an id or a key, or else of a label.

        Raises:
            KeyError: If none is shown.
        """
        named: dict[str, _Shown] = {}
        for shown in self._shown.values():
            widget = getattr(shown.element, str(shown.element.WhichOneof("type")))
            # An id is $$ID, a digest and the key that the script gave, joined by hyphens.
            name = str(getattr(widget, "id", ""))
            if key in (name, *name.split("-", 2)[2:]):
                return shown
            named[getattr(widget, "label", "")] = shown
        return named[key]

    def value(self, key: str) -> Any:
        """What a widget stands at."""
        element = self.find(key).element
        state = self._values[getattr(element, str(element.WhichOneof("type"))).id]
        return getattr(state, str(state.WhichOneof("value")))

    def errors(self) -> list[str]:
        """Exceptions and error messages on the page."""
        alerts = [a.body for a in self.elements("alert") if a.format == a.ERROR]
        return [*self.exceptions(), *alerts]

    def exceptions(self) -> list[str]:
        """Exceptions alone: a page that failed, not one that refuses something."""
        return [
            " ".join((f"{e.type}: {e.message}", *e.stack_trace[-1:]))
            for e in self.elements("exception")
        ]

    # -- the protocol -----------------------------------------------------------------------

    async def _rerun(self, fragment: str = "") -> Run:
        began, n_messages, n_bytes = time.perf_counter(), self._n_messages, self._n_bytes
        self._waiting, self._has_begun = asyncio.get_running_loop().create_future(), False
        await self._send(fragment)
        try:
            await asyncio.wait_for(self._waiting, PATIENCE_S)
        except TimeoutError as error:
            raise LostSessionError(f"No end of the run after {PATIENCE_S:.0f} s.") from error
        finally:
            self._waiting = None
        seconds = time.perf_counter() - began
        return Run(seconds, self._n_messages - n_messages, self._n_bytes - n_bytes)

    async def _send(self, fragment: str, *, is_auto: bool = False) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        state.page_script_hash, state.page_name = self._page_hash, self._page_name
        state.fragment_id, state.is_auto_rerun = fragment, is_auto
        state.widget_states.widgets.extend(self._values.values())
        state.cached_message_hashes.extend(self._cached)
        context = state.context_info
        context.timezone, context.locale, context.color_scheme = "UTC", "en", "light"
        context.url = f"{self._base}/{self._page_name}"
        if self._socket is None:
            raise LostSessionError("Not connected.")
        try:
            await self._socket.send(message.SerializeToString())
        except ConnectionClosed as error:
            raise LostSessionError(f"The server closed the socket: {error}.") from error

    async def _read(self, socket: ClientConnection) -> None:
        problem: Exception = LostSessionError("The socket was closed.")
        try:
            async for data in socket:
                self._n_messages += 1
                self._n_bytes += len(data)
                self._take(
                    ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
                )
        except ConnectionClosed as error:
            problem = LostSessionError(f"The server closed the socket: {error}.")
        except (DecodeError, KeyError) as error:
            problem = LostSessionError(f"A message that cannot be read: {error!r}.")
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(problem)

    def _take(self, message: ForwardMsg) -> None:
        message = self._whole(message)
        kind = str(message.WhichOneof("type"))
        take = {
            "delta": self._draw,
            "new_session": self._begin,
            "navigation": self._navigate,
            "auto_rerun": self._repeat,
            "script_finished": self._finish,
        }.get(kind)
        if take is not None:
            take(message)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "page_config_changed":
            self.title = message.page_config_changed.title
        elif kind == "stop_auto_rerun":
            self._stop_timers(message.stop_auto_rerun.fragment_ids)

    def _whole(self, message: ForwardMsg) -> ForwardMsg:
        """A message as it is, or the one that it names by its hash; large ones are remembered."""
        if message.WhichOneof("type") != "ref_hash":
            if message.metadata.cacheable:
                self._cached[message.hash] = (message, self._n_runs)
            return message
        kept, _ = self._cached[message.ref_hash]
        self._cached[message.ref_hash] = (kept, self._n_runs)
        whole = ForwardMsg()
        whole.CopyFrom(kept)
        whole.metadata.CopyFrom(message.metadata)
        return whole

    def _navigate(self, message: ForwardMsg) -> None:
        pages = message.navigation
        self._pages = {page.url_pathname: page.page_script_hash for page in pages.app_pages}
        self._page_hash = pages.page_script_hash
        names = {number: name for name, number in self._pages.items()}
        self._page_name = names.get(self._page_hash, "")

    def _begin(self, message: ForwardMsg) -> None:
        self.session_id = message.new_session.initialize.session_id or self.session_id
        self._run = message.metadata.run.script_run_id
        if not message.metadata.run.fragment_ids:
            self._stop_timers()
        self._has_begun = True

    def _draw(self, message: ForwardMsg) -> None:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element, path = message.delta.new_element, tuple(message.metadata.delta_path)
        self._shown[path] = _Shown(element, message.delta.fragment_id, self._run)
        state = shown_value(element)
        if state is not None and (state.is_new or state.value.id not in self._values):
            self._values[state.value.id] = state.value

    def _finish(self, message: ForwardMsg) -> None:
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        fragments = set(message.metadata.run.fragment_ids)
        self._shown = {
            path: shown
            for path, shown in self._shown.items()
            if shown.run == self._run or (fragments and shown.fragment not in fragments)
        }
        if not fragments:
            self._n_runs += 1
            oldest = self._n_runs - CACHED_RUNS
            self._cached = {name: kept for name, kept in self._cached.items() if kept[1] >= oldest}
            here = {getattr(widget, "id", "") for widget in self.elements()}
            self._values = {name: value for name, value in self._values.items() if name in here}
        if self._waiting is not None and self._has_begun and not self._waiting.done():
            self._waiting.set_result(None)

    # -- fragments that run by themselves ---------------------------------------------------

    def _repeat(self, message: ForwardMsg) -> None:
        fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
        self._stop_timers([fragment])
        self._timers[fragment] = asyncio.create_task(self._tick(fragment, interval))

    async def _tick(self, fragment: str, interval: float) -> None:
        with contextlib.suppress(LostSessionError):
            while True:
                await asyncio.sleep(interval)
                await self._send(fragment, is_auto=True)

    def _stop_timers(self, fragments: Any = None) -> None:
        for fragment in list(self._timers if fragments is None else fragments):
            timer = self._timers.pop(fragment, None)
            if timer is not None:
                timer.cancel()


@contextlib.asynccontextmanager
async def visiting(url: str, page: str = "", *, query: str = "") -> AsyncIterator[Visitor]:
    """A visitor who has opened a page and leaves at the block's end."""
    visitor = Visitor(url, page, query=query)
    try:
        await visitor.open()
        yield visitor
    finally:
        await visitor.disconnect()
