"""The dialog for a model that is not on this machine: look it up, see its size, fetch it, stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.components.access import access
from pages.components.listed import look_again
from pages.components.messages import plain, show_error
from pages.components.text import WHOLE
from transformer_core.errors import ModelUnavailableError
from transformer_core.models.catalogue import find_card, megabytes
from transformer_core.models.fetching import Download, Downloads
from transformer_core.models.lookup import Found, look_up

POLL_S = 0.5


@st.cache_resource(show_spinner=False)
def downloads() -> Downloads:
    """All downloads of this process; who asks for the same model joins."""
    return Downloads()


@dataclass(frozen=True)
class OtherModel:
    """A session's way to a model that is not in its list.

    Attributes:
        kind: What the model must read, ``text`` or ``image``.
    """

    kind: str

    @property
    def key(self) -> str:
        """Where the session keeps the chosen model, and the address names it."""
        return "model" if self.kind == "text" else f"{self.kind}_model"

    @property
    def last_key(self) -> str:
        """Where the session keeps the model that was chosen before."""
        return f"{self.key}_last"

    def open(self, name: str) -> None:
        """Open the dialog, with a name in its field."""
        self._set(is_open=True, name=name, found=None, problem=None)

    def take_ready(self) -> str | None:
        """Return the model that was just opened, once."""
        ready: str | None = self._get("ready")
        self._set(ready=None)
        return ready

    def show(self) -> None:
        """Draw the dialog if it is open; else how far a download is, if there is one."""
        if self._get("is_stopped"):
            self._set(is_stopped=False)
            st.toast("Stopped. What has come is kept: the next download goes on from there.")
        if self._get("is_open"):
            st.dialog("Open another model", on_dismiss=self._close)(self._dialog)()
        elif self._get("download") is not None:
            self._watch()

    # -- the dialog -------------------------------------------------------------------------

    def _dialog(self) -> None:
        if self._get("download") is not None:
            self._watch()
            st.caption("This window may be closed: the download goes on, and is shown below.")
            return
        may_open_folders = access().local_folders
        with st.form(f"{self.key}-form", border=False):
            st.text_input(
                "Hub id, or folder on this machine" if may_open_folders else "Hub id",
                key=self._name("name"),
                placeholder="owner/name or /path/to/folder" if may_open_folders else "owner/name",
                validate=WHOLE,
            )
            is_asked = st.form_submit_button("Look it up", icon=":material/search:")
        if is_asked:
            with st.spinner("Looking it up"):
                self._look_up(str(self._get("name") or ""))
        if self._get("ready") is not None:
            self._set(is_open=False)
            st.rerun()
        if self._get("problem") is not None:
            show_error(str(self._get("problem")))
        elif self._get("found") is not None:
            self._offer(self._get("found"))
        else:
            self._explain(str(self._get("name") or ""))

    def _explain(self, name: str) -> None:
        """What is known of a model of the list, before anybody is asked; or what can be typed."""
        card = find_card(name)
        if card is None:
            st.caption(plain(_what_can_be_typed()))
        elif card.origin == "hub":
            st.caption(plain(f"{card.description} About {megabytes(card.size_bytes)}."))
        else:
            st.caption(plain(f"{card.description} Get it with this command, then reload the page:"))
            st.code(card.how_to_get, language="shell")

    def _look_up(self, name: str) -> None:
        self._set(found=None, problem=None)
        try:
            found = look_up(name, access())
        except ModelUnavailableError as error:
            self._set(problem=str(error))
            return
        if found.card.reads != self.kind:
            self._set(problem=f"{found.card.name} reads {found.card.reads}s, not {self.kind}s.")
        elif found.plan is None:
            self._set(ready=found.card.id)
        else:
            self._set(found=found)

    def _offer(self, found: Found) -> None:
        rows = "\n".join(f"| {name} | {plain(value)} |" for name, value in found.facts.items())
        st.markdown(f"| | |\n|---|---|\n{rows}")
        size = megabytes(found.card.size_bytes)
        st.button(
            f"Download {size} and load",
            type="primary",
            icon=":material/download:",
            key=f"{self.key}-fetch",
            on_click=self._start,
            args=(found,),
        )

    # -- the download -----------------------------------------------------------------------

    def _start(self, found: Found) -> None:
        hub_id = found.card.hub_id or found.card.id
        access().check(found.card.id)
        self._set(download=downloads().ask(hub_id), wanted=found.card.id)

    def _stop(self) -> None:
        download: Download | None = self._get("download")
        if download is not None:
            download.leave()
        self._set(download=None, found=None, is_stopped=True)

    def _watch(self) -> None:
        """Show how far the download is, looked at again and again."""

        @st.fragment(run_every=POLL_S)
        def watch() -> None:
            download: Download | None = self._get("download")
            if download is None:
                st.rerun()
            standing = download.standing
            if standing.error is not None:
                self._set(download=None, found=None, problem=standing.error, is_open=True)
                st.rerun()
            if standing.is_done:
                look_again()
                self._set(download=None, is_open=False, ready=self._get("wanted"))
                st.rerun()
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.progress(standing.share, text=plain(standing.message))
                st.button("Stop", key=f"{self.key}-stop", on_click=self._stop)

        watch()

    # -- what the session keeps -------------------------------------------------------------

    def _close(self) -> None:
        self._set(is_open=False, problem=None)

    def _name(self, name: str) -> str:
        return f"{self.key}_other_{name}"

    def _get(self, name: str) -> Any:
        return st.session_state.get(self._name(name))

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            st.session_state[self._name(name)] = value


def _what_can_be_typed() -> str:
    allowed = access()
    if allowed.local_folders:
        return (
            "A folder that was written by save_pretrained, a .gguf file, or a model of the Hugging "
            "Face hub. Nothing is fetched before its size is shown."
        )
    which = f" This server opens {', '.join(allowed.allowed)}." if allowed.allowed else ""
    return f"A model of the Hugging Face hub. Nothing is fetched before its size is shown.{which}"
