"""The Train page: a run from Start to a kept model, found again, compared; and bad input."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import model_picker, train_runs
from transformer_core.models import trained
from transformer_core.training import live_data
from transformer_core.training.live_runs import LiveRuns
from transformer_core.training.own_pairs import read_own_pairs

PAGE = Path(__file__).resolve().parents[2] / "pages" / "train.py"
TINY = {"size": 3, "d_model": 16, "n_heads": 2, "n_layers": 1, "batch": 8, "max_steps": 12}
PATIENCE = 60.0


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveRuns]:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(live_data, "N_PAIRS", 200)
    st.cache_resource.clear()
    train_runs.registry.cache_clear()
    registry = train_runs.registry()
    yield registry
    registry.stop_all()
    train_runs.registry.cache_clear()
    st.cache_resource.clear()


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in {**{k: str(v) for k, v in TINY.items()}, **query}.items():
        page.query_params[name] = value
    return page.run()


@pytest.fixture
def page(runs: LiveRuns) -> AppTest:
    return opened()


def press(page: AppTest, label: str) -> AppTest:
    button = next(button for button in page.button if button.label == label)
    page = button.click().run()
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def said(page: AppTest) -> str:
    return " ".join(markdown.value for markdown in page.markdown)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def finished(runs: LiveRuns, page: AppTest) -> AppTest:
    until(lambda: not runs.n_active)
    page = page.run()
    assert not page.exception
    return page


def test_a_run_is_started_seen_to_its_end_and_kept(runs: LiveRuns, page: AppTest) -> None:
    assert not page.exception
    assert "cba" in said(page)
    page = finished(runs, press(page, "Start"))
    assert "is done" in said(page)
    assert "step 12 of 12" in said(page)
    assert "".join(page.query_params["run"]) == page.session_state[train_runs.SHOWN][0]
    page = press(page, "Keep the model")
    (kept,) = page.session_state["train_kept"]
    assert trained.folder_of(kept) is not None
    assert kept in page.session_state[model_picker._OPENED]["text"]
    assert "Look inside" in labels(page)


def test_the_address_finds_a_run_again_and_another_person_finds_only_their_own(
    runs: LiveRuns, page: AppTest
) -> None:
    page = finished(runs, press(page, "Start"))
    (run_id,) = page.session_state[train_runs.SHOWN]
    again = opened(run=run_id)
    assert "step 12 of 12" in said(again)
    assert "Keep the model" in labels(again)
    run = runs.find(run_id)
    assert run is not None
    watcher = opened(run=train_runs.link_to(run))
    assert "step 12 of 12" in said(watcher)
    assert "Keep the model" not in labels(watcher)
    assert run_id not in str(watcher.query_params["run"])
    stranger = opened()
    assert "step 12" not in said(stranger)
    assert "Start" in labels(stranger)


def test_a_run_that_is_gone_is_said_and_the_page_begins_anew(runs: LiveRuns) -> None:
    page = opened(run="0123456789abcdef")
    assert not page.exception
    assert "not on this server any more" in page.warning[0].value
    assert "Start" in labels(page)


def test_pause_go_on_stop_and_a_new_run(runs: LiveRuns) -> None:
    page = press(opened(max_steps="5000"), "Start")
    (run,) = [runs.find(run_id) for run_id in page.session_state[train_runs.SHOWN]]
    assert run is not None
    until(lambda: run.record.step >= 2)
    page = press(page.run(), "Pause")
    page = finished(runs, page)
    assert "is paused" in said(page)
    step = run.record.step
    page = press(page, "Go on")
    until(lambda: run.record.step > step)
    page = press(page.run(), "Stop")
    page = finished(runs, page)
    assert "was stopped" in said(page)
    page = press(page, "New run")
    assert "run" not in page.query_params
    assert "Start" in labels(page)
    assert any(label.startswith("Reverse, 3 symbols · step") for label in labels(page))


def test_the_ready_comparison_trains_two_runs_that_differ_in_the_norm(
    runs: LiveRuns, page: AppTest
) -> None:
    page = finished(runs, press(page, "Compare post-norm and pre-norm without warm-up"))
    assert "post-norm" in said(page)
    assert "pre-norm" in said(page)
    both = [runs.find(run_id) for run_id in page.session_state[train_runs.SHOWN]]
    assert [(run.settings.norm, run.settings.warmup) for run in both if run] == [
        ("post", 1),
        ("pre", 1),
    ]


@pytest.mark.parametrize("rate", [0.0, 100.0, -1.0])
def test_a_learning_rate_out_of_range_is_said_and_nothing_is_lost(
    page: AppTest, rate: float
) -> None:
    page.number_input(key="train_peak").set_value(rate)
    page = page.run()
    assert not page.exception
    assert "learning rate runs from 1e-05 to 0.1" in page.error[0].value
    start = next(button for button in page.button if button.label == "Start")
    assert start.disabled
    assert page.session_state["train_size"] == 3
    page.number_input(key="train_peak").set_value(0.001)
    assert not page.run().error


def test_heads_that_do_not_divide_the_width_are_said(page: AppTest) -> None:
    page.session_state["train_d_model"], page.session_state["train_n_heads"] = 48, 4
    assert not page.run().error
    page.session_state["train_n_heads"] = 5
    assert not page.run().exception


def test_a_server_that_is_full_says_so(runs: LiveRuns) -> None:
    page = opened(max_steps="50000")
    for _ in range(2):
        page = press(page, "Start")
        page = press(page, "New run")
    page = press(page, "Start")
    assert "as many as one person may have" in page.error[0].value
    assert "Start" in labels(page)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one column\n" * 30, "wrong number of columns"),
        ("one\tpair", "at least 20 are needed"),
        ("   \n ", "is empty"),
    ],
)
def test_pasted_rows_that_are_no_pairs_are_said(runs: LiveRuns, text: str, says: str) -> None:
    page = opened(task="own")
    page.text_area(key="train_rows").set_value(text)
    page = page.run()
    assert not page.exception
    assert says in " ".join(error.value for error in page.error)
    assert next(button for button in page.button if button.label == "Start").disabled
    assert page.text_area(key="train_rows").value == text


def test_pasted_pairs_are_learned_from(runs: LiveRuns) -> None:
    page = opened(task="own")
    rows = "\n".join(f"s{i}\tt{i}" for i in range(40))
    page.text_area(key="train_rows").set_value(rows)
    page = page.run()
    assert "40 pairs" in " ".join(caption.value for caption in page.caption)
    page = finished(runs, press(page, "Start"))
    assert "Own pairs" in said(page)
    assert "is done" in said(page)


def test_a_run_that_broke_off_says_at_which_step(
    runs: LiveRuns, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer_core.training import trainer

    whole = trainer.Trainer._learn

    def learn(self: Any, batch: Any, rate: float) -> tuple[float, float, float]:
        if self.step == 4:
            hook = next(iter(self.model.parameters())).register_hook
            hook(lambda gradient: gradient * float("nan"))
        return whole(self, batch, rate)

    monkeypatch.setattr(trainer.Trainer, "_learn", learn)
    page = finished(runs, press(page, "Start"))
    assert "Step 5: the gradient is not finite" in page.error[0].value
    assert "weights of step 4 are kept" in page.error[0].value
    assert "Keep the model" in labels(page)


def test_the_code_of_the_page_runs_and_gives_the_same_numbers(
    runs: LiveRuns, page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = finished(runs, press(page, "Start"))
    (run_id,) = page.session_state[train_runs.SHOWN]
    run = runs.find(run_id)
    assert run is not None
    code = next(code.value for code in page.code if "LiveSettings(" in code.value)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["exam"].samples == run.record.exams[-1].samples
    assert names["step"].loss == run.record.points[-1].loss


def test_the_record_of_the_translator_opens(runs: LiveRuns) -> None:
    page = opened(train_mode="Watch it learn")
    assert not page.exception
    assert page.selectbox(key="train_example").options[1] == "She gave him the red book."
    page.selectbox(key="train_example").select_index(1)
    assert not page.run().exception
    code = next(code.value for code in page.code if "Learning.load" in code.value)
    exec(code, {})


def test_a_student_is_offered_with_its_teacher_and_with_what_it_cannot_learn(
    runs: LiveRuns,
) -> None:
    page = opened(task="distil", temperature="2.0", soft_share="0.5")
    assert not page.exception
    assert "What cannot: a translator" in said(page)
    assert page.number_input(key="train_temperature").value == 2.0
    assert page.slider(key="train_soft_share").value == 0.5
    assert "of the teacher's" in " ".join(caption.value for caption in page.caption)
    code = next(code.value for code in page.code if "LiveSettings(" in code.value)
    assert "efficiency.live_distillation import begin" in code
    page = press(page, "Compare with the same student alone")
    both = [runs.find(run_id) for run_id in page.session_state[train_runs.SHOWN]]
    assert [run.settings.soft_share for run in both if run] == [0.5, 0.0]
    page = finished(runs, page)
    assert "with the teacher (α = 0.5)" in said(page)
    assert "chrF" in said(page)


def test_a_student_of_ones_own_pairs_needs_pairs(runs: LiveRuns) -> None:
    page = opened(task="distil-own")
    assert not page.exception
    assert page.session_state["train_pairs"] == "own"
    assert next(button for button in page.button if button.label == "Start").disabled


def test_own_rows_are_those_of_the_library() -> None:
    pairs, _ = read_own_pairs("\n".join(f"s{i}\tt{i}" for i in range(40)).encode(), "x")
    assert len(pairs) == 40
