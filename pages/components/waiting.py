"""Jobs in the background, shared by all sessions, and the line that says how far they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from pages.components.messages import show_warning
from pages.components.watching import look

if TYPE_CHECKING:
    from transformer_core.background import Report, Work

T = TypeVar("T")

POLL_SECONDS = 0.4


def job_of(name: tuple[Hashable, ...], work: Callable[[Report], T]) -> Work[T]:
    """One job for all who want the same.

    Args:
        name: Plain values that tell it from other jobs.
        work: Computes the result; the first who asks brings it.
    """
    job: Work[T] = _job(repr(name), work)
    return job


@st.cache_resource(max_entries=48, show_spinner=False)
def _job(name: str, _work: Callable[[Report], Any]) -> Work[Any]:  # noqa: ARG001
    from transformer_core.background import Work

    return Work.once(_work)


def wait_for(jobs: dict[str, Work[Any]]) -> None:
    """Begin jobs and say how far they are; the page comes back whenever one is over.

    Args:
        jobs: By what they do, in words.
    """
    waiting = {words: job for words, job in jobs.items() if not job.is_over}
    for job in jobs.values():
        if job.error:
            show_warning(job.error)
    if waiting:
        _watch(waiting)


@st.fragment(run_every=POLL_SECONDS)
def _watch(jobs: dict[str, Work[Any]]) -> None:
    for job in jobs.values():
        look(job)
    share = sum(job.share for job in jobs.values()) / len(jobs)
    words = next((words for words, job in jobs.items() if not job.is_over), "")
    st.progress(share, text=words)
    if any(job.is_over for job in jobs.values()):
        st.rerun()
