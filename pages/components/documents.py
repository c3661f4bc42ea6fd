"""Documents: many texts in, their translations or summaries out, with progress, stop and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.access import upload_limit
from pages.components.cache import model_of
from pages.components.live_text import live_text, status_row, watch
from pages.components.messages import plain, show_error
from transformer_core.decoding.strategies import Beam, Strategy
from transformer_core.errors import TransformerCoreError
from transformer_core.tasks import documents
from transformer_core.tasks.summarization import Length

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.background import ShouldStop

PLACE = "document"
TYPED = "document_text"
"""Where the session keeps a typed text that is worked through as a document."""

N_SHOWN = 200


class Asked(NamedTuple):
    """What is done with a document."""

    model_id: str
    how: Strategy | Length

    @property
    def verb(self) -> str:
        """What a button says."""
        return "Summarise" if isinstance(self.how, Length) else "Translate"


class Document(NamedTuple):
    """A document: its name and its texts."""

    name: str
    texts: tuple[str, ...]


@dataclass
class Kept:
    """What was done of a document."""

    what: tuple[Asked, Document] | None = None
    done: documents.Progress = field(default_factory=lambda: documents.Progress((), 0))


def offer(text: str) -> None:
    """Offer to work through a typed text as a document, a sentence a text."""
    st.button(
        "Work through it as a document",
        icon=":material/description:",
        on_click=st.session_state.update,
        args=({TYPED: text, "input": "Document"},),
    )


def offer_elsewhere(task: str, text: str) -> None:
    """On another page: offer to work through a text there as a document."""
    if st.button("Work through it as a document", icon=":material/description:"):
        st.session_state.update({TYPED: text, "input": "Document", "task": task})
        st.switch_page("pages/translate.py", query_params={"input": "Document", "task": task})


def choose_document() -> Document | None:
    """Let a person choose a file, and of a CSV a column; None until there is something to do."""
    st.caption(
        "TXT: a text a line. CSV with a header: a text a row of the column that you choose. UTF-8, "
        f"up to {documents.MAX_TEXTS:,} texts."
    )
    upload = st.file_uploader(
        "TXT or CSV",
        type=["txt", "csv"],
        max_upload_size=upload_limit(documents.MAX_BYTES // 2**20),
        key=f"{PLACE}-file",
        label_visibility="collapsed",
    )
    typed = st.session_state.get(TYPED)
    try:
        if upload is not None:
            table = documents.read(upload.name, upload.getvalue())
            return Document(upload.name, tuple(table.texts(_column(table))))
        if typed:
            return Document("typed.txt", tuple(documents.of_text(typed).texts(None)))
    except TransformerCoreError as error:
        show_error(error)
    return None


def work_through(asked: Asked, document: Document) -> Files:
    """Do it, show how far it is and what came of it; returns the files of that."""
    n_texts = len(document.texts)
    done = _done(asked, document)
    what = f"{n_texts:,} text" + ("" if n_texts == 1 else "s")
    begun, time_of_asking = st.session_state.get(f"{PLACE}-go", (None, 0))
    if begun == (asked, document):
        work = partial(_work, asked, document, _kept())
        live = live_text(PLACE, (begun, time_of_asking), work)
        if not live.is_over:
            status_row(PLACE, "Working; what is done stays after a stop.", is_over=False)
            watch(live, _draw_progress)
            return {}
        if live.error:
            show_error(live.error)
        done = _kept().done
        if live.is_stopped and not done.results:
            st.caption("Stopped before the first results.")
    with st.container(horizontal=True, vertical_alignment="center"):
        if not done.is_complete:
            st.button(
                f"Go on with the other {n_texts - len(done.results):,}"
                if done.results
                else f"{asked.verb} {what}",
                type="primary",
                icon=":material/play_arrow:",
                key=f"{PLACE}-start",
                on_click=partial(
                    st.session_state.__setitem__,
                    f"{PLACE}-go",
                    ((asked, document), time_of_asking + 1),
                ),
            )
        st.caption(plain(f"{document.name}: {what}. {_how(asked.how)}"))
    if not done.results:
        return {}
    _show(document, done)
    return _files(asked, document, done)


def _done(asked: Asked, document: Document) -> documents.Progress:
    """What this session has done of it; another document or setting begins anew."""
    if _all_kept().get(PLACE, Kept()).what != (asked, document):
        _all_kept()[PLACE] = Kept((asked, document), documents.Progress((), len(document.texts)))
    return _kept().done


def _kept() -> Kept:
    return _all_kept()[PLACE]


@st.cache_resource(scope="session", show_spinner=False)
def _all_kept() -> dict[str, Kept]:
    """The document of this session with its results: only the last is kept."""
    return {}


def _work(
    asked: Asked, document: Document, kept: Kept, should_stop: ShouldStop
) -> Iterator[documents.Progress]:
    """Go on with what was done; a thread has no session, so what is kept is handed over."""
    begun = kept.done
    model = model_of(asked.model_id)
    if isinstance(asked.how, Length):
        states = documents.summarized(model, document.texts, should_stop, asked.how, begun)
    else:
        states = documents.translated(model, document.texts, should_stop, asked.how, begun)
    for state in states:
        kept.done = state
        yield state


def _show(document: Document, done: documents.Progress) -> None:
    """Numbers and a table of what was done."""
    sources = document.texts[: len(done.results)]
    n_read = sum(len(text.split()) for text in sources)
    n_written = sum(len(text.split()) for text in done.results)
    stopped = "" if done.is_complete else f"Stopped after {len(done.results):,} texts. "
    st.caption(
        f"{stopped}{n_read:,} words → {n_written:,} words ({n_written / max(n_read, 1):.0%}) · "
        f"{done.n_tokens:,} tokens in {done.seconds:.1f} s · "
        f"{done.n_tokens / max(done.seconds, 1e-9):.0f} tokens/s"
    )
    if done.n_cut:
        st.caption(f"{done.n_cut:,} of them reached the limit of tokens before their end.")
    rows = {"Source": sources[:N_SHOWN], "Result": done.results[:N_SHOWN]}
    st.dataframe(rows, width="stretch", height=min(420, 38 + 35 * len(sources)))
    if len(sources) > N_SHOWN:
        st.caption(f"The first {N_SHOWN} of {len(sources):,}; the files hold all.")


def _files(asked: Asked, document: Document, done: documents.Progress) -> Files:
    sources, results = document.texts[: len(done.results)], done.results
    name = f"{document.name.rpartition('.')[0]}-{asked.verb.lower()}d"
    files = {
        "TXT (a result a line)": (f"{name}.txt", partial(documents.to_txt, sources, results)),
        "CSV (source and result)": (f"{name}.csv", partial(documents.to_csv, sources, results)),
    }
    if not isinstance(asked.how, Length):
        languages = documents.languages_of(asked.model_id)
        memory = partial(documents.to_tmx, sources, results, languages)
        files["TMX (translation memory)"] = (f"{name}.tmx", memory)
    return files


def _column(table: documents.Table) -> str | None:
    if table.columns is None:
        return None
    return st.selectbox("Column", table.columns, table.wordiest, key=f"{PLACE}-column", width=300)


def _how(how: Strategy | Length) -> str:
    if isinstance(how, Length):
        return f"{how.at_least} to {how.at_most} tokens each."
    search = f"Beam search, {how.n_beams} wide" if isinstance(how, Beam) else "Greedy search"
    return f"{search}; similar lengths share a batch, the order stays."


def _draw_progress(state: documents.Progress) -> None:
    left = ""
    if state.results:
        seconds = state.seconds / len(state.results) * (state.n_texts - len(state.results))
        left = f" · about {seconds:,.0f} s to go"
    st.progress(state.share, text=f"{len(state.results):,} of {state.n_texts:,} texts{left}")
    if state.results:
        st.caption(plain(state.results[-1][:200]))
