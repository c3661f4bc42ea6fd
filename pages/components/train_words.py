"""What the Train page explains, the code that does the same, and what can be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.train_charts import curves_of, names_of
from pages.components.train_runs import link_to
from transformer_core.errors import TransformerCoreError
from transformer_core.training.live_settings import DISTIL, DISTIL_OWN, LiveSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages.components.footer import Files
    from transformer_core.figures.payload import Payload
    from transformer_core.training.live_run import LiveRun
    from transformer_core.training.snapshots import Film

EXPLANATION = r"""
**Teacher forcing.** The decoder reads the true target, shifted by one: at position $t$ it sees
$y_{<t}$ and is scored on $y_t$. The causal mask keeps the rest from it, so all positions are
learned in one pass ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.1;
Williams & Zipser 1989). The loss is the mean over tokens of $-\log p(y_t \mid y_{<t}, x)$. *Tokens
right* is measured this way; *sequences right* lets the model write alone, each token read back.

**Label smoothing.** The label gets $1-\varepsilon+\varepsilon/V$ of the probability and every other
entry $\varepsilon/V$ ([Szegedy et al. 2016](https://arxiv.org/abs/1512.00567), section 7; Vaswani
et al., section 5.4, $\varepsilon = 0.1$). So the loss that is taught cannot reach 0.

**Warm-up.** The rate rises for $w$ steps and falls with the root of the step (Vaswani et al.,
section 5.3), here with the peak as a number of its own:

$$\text{rate}(s) = \text{peak}\cdot\min\left(\frac{s}{w},\ \sqrt{\frac{w}{s}}\right)$$

Without a warm-up ($w = 1$) it is at the peak from the first step on, and stays there.

**Post-norm or pre-norm.** The paper normalises the sum, $x \leftarrow \mathrm{LN}(x + f(x))$;
pre-norm what a sub-layer reads, $x \leftarrow x + f(\mathrm{LN}(x))$. At the start post-norm's
gradients are large near the output, so it needs the warm-up; pre-norm's are even
([Xiong et al. 2020](https://arxiv.org/abs/2002.04745), section 3). Two
layers learn either way; the ready comparison takes 4 + 4, at the peak rate from the first step.

**Distillation** ([Hinton et al. 2015](https://arxiv.org/abs/1503.02531), section 2). A student
learns from its teacher's distribution $q$ over the next token as well as from the true token:

$$\mathcal{L} = \alpha\,T^2\,\mathrm{KL}\!\left(q^{(T)} \,\|\, p^{(T)}\right)
+ (1-\alpha)\left(-\log p_y\right)$$

Both read the true prefix. The teacher's last layer is computed once for each pair and kept. chrF
([Popović 2015](https://aclanthology.org/W15-3049/)) compares the letters of what was written with a
reference; where a translation is partly right, exact sequences say nothing.

**The film** shows one unseen example at steps 0, 1, 2, 3, 4, 6, 8, 11, 16 … (powers of √2), since
most of what forms forms early. Gradients are clipped at a norm of 1; the optimiser is AdamW
([Loshchilov & Hutter 2019](https://arxiv.org/abs/1711.05101)), β = (0.9, 0.98).
"""
_IMPORTS = """from pathlib import Path

from transformer_core.{home} import begin
from transformer_core.training.live_settings import LiveSettings
"""
_LOOP = """for step in prepared.run.trainer:
    if step.step % 100 == 0:
        print(step.step, round(step.loss, 3))
    if step.step == settings.max_steps:
        break
model = prepared.run.trainer.model
exam = prepared.examiner.examine(model, step=step.step, seconds=0.0)
print(exam.sequence_accuracy, exam.samples[0])
"""
_WATCH = """from pathlib import Path

from transformer_core.training.learning import Learning

record = Learning.load(Path("assets/models/en-fr-small/learning.npz"))
for moment in record.moments:
    print(moment.step, moment.bleu, moment.translations[0])
trace = record.trace(len(record.moments) - 1, 0)
print(trace.pattern("cross", layer=1, head=0))
"""


def code_of(runs: list[LiveRun], *, is_watching: bool) -> str:
    """The lines of Python that do what the page does, with the same numbers."""
    if is_watching:
        return _WATCH
    settings = runs[0].settings if runs else _set()
    plain = LiveSettings().to_dict()
    changed = {k: v for k, v in settings.to_dict().items() if v != plain[k]}
    words = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    home = "efficiency.live_distillation" if settings.is_distilled else "training.live_data"
    imports, pairs = _IMPORTS.format(home=home), ""
    if settings.brings_pairs:
        imports += "from transformer_core.training.own_pairs import read_own_pairs\n"
        pairs = ', read_own_pairs(Path("pairs.tsv").read_bytes(), "pairs.tsv")[0]'
    return (
        f"{imports}\nsettings = LiveSettings({words})\n"
        f'prepared = begin(Path("my-run"), settings{pairs})\n{_LOOP}'
    )


def files_of(runs: list[LiveRun], payload: Payload | None) -> Files:
    """What can be saved; each file is made when it is asked for."""
    files: dict[str, tuple[str, Callable[[], str | bytes]]] = {}
    if payload is not None:
        return {"HTML (self-contained film)": ("watch-it-learn.html", lambda: _html(payload))}
    if not runs:
        return {}
    files["CSV (every step)"] = ("training.csv", lambda: _csv(runs))
    files["SVG (curves)"] = ("training.svg", lambda: _svg(runs))
    files["PNG (curves)"] = ("training.png", lambda: _png(runs))
    for name, run in zip(names_of(runs), runs, strict=True):
        film = run.record.film
        if film is None:
            continue
        of = f" of {name}" if len(runs) > 1 else ""
        files[f"NPZ (film{of})"] = (f"film-{run.id}.npz", _npz_maker(film))
        files[f"HTML (film{of})"] = (f"film-{run.id}.html", _film_maker(film))
    return files


def link_of(runs: list[LiveRun], mode: str) -> dict[str, str]:
    """What the address carries: the run, or the settings that differ from the defaults."""
    if mode != "Train":
        return {"train_mode": mode, "example": str(st.session_state.get("train_example", 0))}
    if runs:
        return {"run": ",".join(map(link_to, runs))}
    plain = LiveSettings().to_dict()
    return {k: str(v) for k, v in _set().to_dict().items() if v != plain[k]} or {"task": "reverse"}


def _set() -> LiveSettings:
    """What is set, or the defaults where it cannot be trained with."""
    values: dict[str, Any] = {
        name: st.session_state.get(f"train_{name}", default)
        for name, default in LiveSettings().to_dict().items()
    }
    if values["task"] == DISTIL and st.session_state.get("train_pairs") == "own":
        values["task"] = DISTIL_OWN
    try:
        return LiveSettings(**values)
    except (TransformerCoreError, TypeError):
        return LiveSettings()


def _csv(runs: list[LiveRun]) -> str:
    from transformer_core.figures.learning_curves import to_csv

    return to_csv(curves_of(runs))


def _svg(runs: list[LiveRun]) -> str:
    from transformer_core.figures.curve_still import curve_drawing
    from transformer_core.figures.drawing import to_svg

    return to_svg(curve_drawing(curves_of(runs)))


def _png(runs: list[LiveRun]) -> bytes:
    from transformer_core.figures.curve_still import curve_drawing
    from transformer_core.figures.raster import to_png

    return to_png(curve_drawing(curves_of(runs)))


def _html(payload: Payload) -> str:
    from transformer_core.figures.html import to_html

    return to_html(payload)


def _film_maker(film: Film) -> Callable[[], str]:
    from transformer_core.figures.film import film as film_payload

    return lambda: _html(film_payload(film, "cross"))


def _npz_maker(film: Film) -> Callable[[], bytes]:
    def make() -> bytes:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.npz"
            film.save(path)
            return path.read_bytes()

    return make
