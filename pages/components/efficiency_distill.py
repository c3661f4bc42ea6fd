"""Distillation: a student beside its teacher."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from pages.components.cache import is_loaded, model_of, writer_of
from pages.components.efficiency_jobs import theme
from pages.components.efficiency_method import Method, Shown, compared, comparison_files
from pages.components.messages import plain
from pages.components.model_picker import models_here
from pages.components.text import trace_text
from pages.components.top_row import wait_for_model
from pages.components.train_controls import STUDENT
from transformer_core.figures import efficiency as figures
from transformer_core.models.catalogue import SHIPPED
from transformer_core.training.live_settings import DISTIL, TEACHER

COMMAND = """python -m transformer_core distill --teacher en-fr-small --out STUDENTS \\
  --data everyday=pairs.tsv,held_out=0.02 --steps 3000 --temperature 1 --soft-share 0.7 --json
"""
SHIPPED_STUDENT = "en-fr-student"
N_LABELS = 8
_ASKED = "student_asked"
EXPLANATION = r"""
A small *student* learns from a large *teacher*: not the true word alone (the hard label), but all
that the teacher thinks likely (the soft label), both softened by a temperature $T$
([Hinton et al. 2015](https://arxiv.org/abs/1503.02531), section 2):

$$\mathcal{L} = \alpha\, T^2\, \mathrm{KL}\!\left(p^{(T)}_\text{teacher} \,\|\,
p^{(T)}_\text{student}\right) + (1 - \alpha)\, \mathrm{CE}\!\left(y, p_\text{student}\right),
\qquad p^{(T)}_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}}$$

A higher $T$ shows more of what the teacher finds nearly as good, but also more of a tail of
thousands
of tokens that mean nothing, above all where the teacher was trained with label smoothing
([Müller et al. 2019](https://arxiv.org/abs/1906.02629), section 4): try it above. Translators are
mostly taught at $T = 1$ ([Kim & Rush 2016](https://arxiv.org/abs/1606.07947), section 3.1). $T^2$
keeps the soft part's
gradient
as large as it is at $T = 1$. Whether it helps is told by the same student trained alone, on the
same
data for as many steps: the command trains both and prints the difference.
"""


def show(model_id: str, text: str) -> Shown:
    """Draw the student beside the teacher; without a student, say how to get one."""
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.distillation import Distillation, distillation_loss\n\n"
        "# In a training loop of your own: logits of both for the same prefix, and the true "
        "tokens.\n"
        "loss = distillation_loss(student, teacher, labels, Distillation(temperature=1.0, "
        "soft_share=0.7))\n"
    )
    _soft_labels(model_id, text)
    st.button(
        "Watch a student learn on the Train page",
        icon=":material/model_training:",
        key="watch-student",
        on_click=_ask_for_student,
    )
    if st.session_state.pop(_ASKED, False):
        st.switch_page("pages/train.py", query_params={})
    st.markdown("#### Is the student better than it would be alone?")
    students = _students(model_id)
    if not students:
        st.info(
            "No student is here yet. The command below trains one of at most a quarter of the "
            "teacher's parameters, and the same student alone; open its folder as a model (above) "
            "and it stands here beside its teacher."
        )
        st.code(COMMAND, language=None, wrap_lines=True)
        return Shown(code)
    names = {name: plain(card.name) for name, card in students.items()}
    student_id = st.selectbox(
        "Student", list(names), format_func=names.__getitem__, key="student", width=300
    )
    if not is_loaded(str(student_id)):
        wait_for_model(str(student_id))
        return Shown(code)
    _side_by_side(model_id, str(student_id), text)
    if student_id == SHIPPED_STUDENT and model_id == TEACHER:
        _recorded()
    found = compared(
        (model_id, str(student_id)),
        "distillation",
        lambda _: _variant(str(student_id)),
        n_variants=1,
    )
    return Shown(code, comparison_files(found, "distillation"), {"student": str(student_id)})


def _soft_labels(model_id: str, text: str) -> None:
    """What the teacher thinks of the next token, plain and softened: the soft labels."""
    trace = trace_text(model_id, text)
    if trace is None or trace.logits is None or trace.target is None:
        st.info("Soft labels are shown of a translator; choose en-fr-small.")
        return
    tokens = trace.target.display
    with st.container(horizontal=True, vertical_alignment="bottom", key="soft-controls"):
        at = st.selectbox(
            "After", range(len(tokens)), key=f"soft_at_{len(tokens)}", width=230,
            index=min(1, len(tokens) - 1), format_func=lambda i: f"position {i}: … {tokens[i]}",
        )  # fmt: skip
        temperature = st.slider("Temperature T", 1.0, 8.0, 2.0, 0.5, key="soft_t", width=260)
    logits = trace.logits[at].float()
    best = logits.topk(N_LABELS).indices
    names = [model_of(model_id).tokenizer.from_ids([int(i)]).display[0] for i in best]
    at_one, at_t = logits.softmax(-1)[best], (logits / temperature).softmax(-1)[best]
    chart = figures.soft_labels(
        names, at_one.tolist(), at_t.tolist(), temperature=temperature, theme=theme()
    )
    with st.container(border=True):
        st.markdown("**What does the teacher say beside the likeliest token?**")
        st.altair_chart(chart, width="stretch")
        st.caption(
            f"The {N_LABELS} likeliest of {len(logits):,} tokens; the others hold "
            f"{1 - float(at_one.sum()):.1%} at T = 1 and {1 - float(at_t.sum()):.1%} at "
            f"T = {temperature:g}."
        )


def _ask_for_student() -> None:
    """Set the Train page's task; its other settings then begin as a student's."""
    for name in ("task", *STUDENT):
        st.session_state[f"train_{name}"] = {"task": DISTIL, **STUDENT}[name]
    st.session_state.update(train_shown=None, train_mode="Train", **{_ASKED: True})


def _recorded() -> None:
    """BLEU of both students as measured when they were trained: with the teacher, and alone."""
    scores = recorded_scores(SHIPPED_STUDENT)
    if not scores:
        return
    with st.container(border=True, key="student-recorded"):
        st.markdown("**Was the teacher worth it?**")
        st.table([_score_row(row) for row in scores])
        st.caption(
            "Measured when they were trained, on sentences kept from both corpora, all references "
            "counted (sacreBLEU). Both students have the same shape, data, order of batches and "
            "number of steps; the model card has the recipe and the limits."
        )


def recorded_scores(student_id: str) -> list[dict[str, Any]]:
    """What a shipped student's card says of it, its teacher, and the same student alone."""
    try:
        card = json.loads((SHIPPED / student_id / "card.json").read_text(encoding="utf-8"))
        return list(card["scores"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _score_row(row: dict[str, Any]) -> dict[str, str]:
    gain = row["distilled"][0] - row["alone"][0]
    cells = {"sentences": f"{row['set']}, {row['sentences']:,}", "search": row["search"]}
    for name in ("teacher", "distilled", "alone"):
        bleu, chrf = row[name]
        cells[f"{name}, BLEU (chrF)"] = f"{bleu:.1f} ({chrf:.1f})"
    return {**cells, "distilled − alone, BLEU": f"{gain:+.1f}"}


def _students(model_id: str) -> dict[str, Any]:
    """Other translators that are here, and folders that were opened."""
    return {
        name: card
        for name, card in models_here().items()
        if name != model_id
        and (card.task == "translation" or card.family == "local folder")
        and name != TEACHER
    }


def _variant(student_id: str) -> list[Any]:
    from transformer_core.efficiency.variants import Variant

    student: Any = model_of(student_id)
    return [Variant("student", student)]


def _side_by_side(teacher_id: str, student_id: str, text: str) -> None:
    """How both translate the text, and how large they are."""
    from transformer_core.decoding.strategies import Greedy

    for name, model_id in (("Teacher", teacher_id), ("Student", student_id)):
        model: Any = writer_of(model_id)
        n_parameters = sum(p.numel() for p in model.module.parameters())
        with st.container(border=True):
            st.caption(plain(f"{name}: {model.card.name}, {n_parameters:,} parameters"))
            st.markdown(plain(model.translate(text, Greedy())))


METHOD = Method(
    "Distillation",
    "What can a small student learn from its teacher?",
    show,
    EXPLANATION,
    needs_text=True,
)
