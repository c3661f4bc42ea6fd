"""Runs on the disk and the command that makes them: started, stopped, resumed, exported."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.tiny_corpus import write_corpus
from transformer_core.cli import main
from transformer_core.errors import CheckpointError
from transformer_core.models.scratch import load_model
from transformer_core.training import session as session_module
from transformer_core.training.checkpoints import checkpoints, load_checkpoint
from transformer_core.training.export import averaged_model, export_run
from transformer_core.training.run import Run, is_milestone, read_curve, resume_run
from transformer_core.training.session import Timing, keep_going

SHAPE = ["--vocab-size", "300", "--d-model", "32", "--n-heads", "4", "--d-ff", "64"]
SHAPE += ["--n-encoder-layers", "1", "--n-decoder-layers", "1", "--n-ctx", "64"]
PACE = ["--tokens", "200", "--warmup", "10", "--note-every", "1", "--validate-every", "0"]


def start_arguments(corpus: Path, run: Path, *more: str) -> list[str]:
    data = f"numbers={corpus},held_out=0.1"
    return ["train", "start", "--run", str(run), "--data", data, *SHAPE, *PACE, *more]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "numbers.tsv")


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run") / "numbers"
    assert main(start_arguments(corpus, run, "--max-steps", "20")) == 0
    return run


def losses(run: Path, what: str = "loss") -> list[float]:
    return [record[what] for record in read_curve(run) if what in record]


def test_a_run_leaves_its_plan_curve_tokenizer_and_checkpoint(finished: Path) -> None:
    plan = json.loads((finished / "run.json").read_text())
    assert plan["shape"]["d_model"] == 32 and plan["corpora"][0]["held_out"] == 0.1
    curve = read_curve(finished)
    assert [record["step"] for record in curve] == list(range(1, 21))
    assert {"loss", "nll", "rate", "grad_norm", "tokens_per_second", "epoch"} <= curve[0].keys()
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert [path.name for path in checkpoints(finished)] == ["step-00000020"]
    assert (finished / "milestones" / "step-00000000.safetensors").is_file()


def test_a_run_that_was_resumed_has_the_same_curve_and_weights(
    corpus: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(start_arguments(corpus, run, "--max-steps", "7")) == 0
    with (run / "curve.jsonl").open("a") as file:
        file.write('{"step": 8, "loss": 1.0}\n{"step": 9, "lo')  # noted after the checkpoint
    timing = ["--note-every", "1", "--validate-every", "0", "--max-steps", "20"]
    assert main(["train", "resume", "--run", str(run), *timing]) == 0
    ours, theirs = (load_checkpoint(checkpoints(path)[-1]) for path in (run, finished))
    for name, tensor in theirs.weights.items():
        assert torch.equal(ours.weights[name], tensor)
    assert [record["step"] for record in read_curve(run)] == list(range(1, 21))
    assert losses(run)[0] == losses(finished)[0]
    said = capsys.readouterr()
    assert "400 pairs; " in said.err and "sentences held out" in said.err
    assert "tokens/s" in said.err and said.out == f"{run}\n{run}\n"


def test_a_terminated_run_saves_where_it_stands(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "transformer_core", *start_arguments(corpus, run)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while len(read_curve(run)) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    saved = checkpoints(run)
    assert len(saved) == 1
    assert load_checkpoint(saved[0]).step == read_curve(run)[-1]["step"] >= 3


def launch_two(arguments: Sequence[str]) -> list[tuple[int, str]]:
    """Run a command on two "machines" of one process each; return codes and what was said.

    (For several CPU processes of one machine ``accelerate launch`` would want mpirun.)
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launcher += ["--num_machines", "2", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_ip", "127.0.0.1", "--main_process_port", str(port)]
    processes = [
        subprocess.Popen(
            [*launcher, "--machine_rank", rank, "--module", "transformer_core", *arguments],
            env=os.environ | {"RANK": rank, "LOCAL_RANK": "0", "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
        return [(p.returncode, text) for p, text in zip(processes, said, strict=True)]
    finally:
        for process in processes:
            process.kill()


def test_two_processes_learn_what_one_learns(corpus: Path, tmp_path: Path) -> None:
    more = ["--max-steps", "8", "--dropout", "0"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main(start_arguments(corpus, alone, *more)) == 0
    outputs = launch_two(start_arguments(corpus, together, *more))
    assert all(code == 0 for code, _ in outputs), outputs
    assert outputs[1][1] == ""  # the second neither reports nor writes
    assert losses(together) == pytest.approx(losses(alone), rel=1e-4)
    # AdamW would forgive gradients of another size.
    norms = losses(alone, "grad_norm")
    assert losses(together, "grad_norm") == pytest.approx(norms, rel=1e-3)
    ours, theirs = (load_checkpoint(checkpoints(path)[-1]) for path in (together, alone))
    for name, tensor in theirs.weights.items():
        start = 32 if name.endswith("w_kv.bias") else 0  # the keys' bias has no true gradient
        torch.testing.assert_close(ours.weights[name][start:], tensor[start:], atol=1e-4, rtol=1e-3)


def test_a_second_run_in_the_same_folder_is_refused(
    corpus: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(start_arguments(corpus, finished)) == 2
    assert "holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "resume", "--run", "{tmp}"], "holds no run"),
        (["train", "start", "--run", "{tmp}/r", "--data", "pairs.tsv"], "NAME=FILE"),
        (["train", "start", "--run", "{tmp}/r", "--data", "a=x.tsv,size=3"], "NAME=FILE"),
        (["train", "start", "--run", "{tmp}/r", "--data", "a=nowhere.tsv"], "cannot be read"),
        (["train", "start", "--run", "{tmp}/r", "--data", "a={empty}"], "is empty"),
        (["train", "export", "--run", "{tmp}", "--out", "{tmp}/m"], "holds 0 checkpoints"),
    ],
)
def test_bad_input_is_one_line_and_the_code_2(
    arguments: Sequence[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.tsv").touch()
    filled = [each.format(tmp=tmp_path, empty=tmp_path / "empty.tsv") for each in arguments]
    assert main(filled) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_a_run_without_a_checkpoint_cannot_be_resumed(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text((finished / "run.json").read_text())
    with pytest.raises(CheckpointError, match="no checkpoint to go on from"):
        resume_run(tmp_path)


def test_a_checkpoint_that_cannot_be_written_is_said_and_the_run_goes_on(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = resume_run(finished)
    save = Run.save
    n_tries = 0

    def fail_first(self: Run, *, keep: int) -> Path | None:
        nonlocal n_tries
        n_tries += 1
        if n_tries == 1:
            raise CheckpointError("No space left")
        return save(self, keep=keep)

    monkeypatch.setattr(Run, "save", fail_first)
    monkeypatch.setattr(Run, "note", lambda self, record: None)
    timing = Timing(save_every=0, validate_every=None, max_steps=22)
    seen = list(keep_going(run, timing, is_stopped=lambda: False))
    assert [str(progress.trouble) for progress in seen] == ["No space left", "None"]
    assert [path.name for path in checkpoints(finished)][-1] == "step-00000022"


def test_a_deadline_begins_the_decay_and_the_run_ends(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = resume_run(finished)
    monkeypatch.setattr(session_module, "_SMOOTHING", 4)
    monkeypatch.setattr(Run, "note", lambda self, record: None)
    monkeypatch.setattr(Run, "save", lambda self, keep: None)
    first = run.trainer.step
    timing = Timing(validate_every=None, until=time.time(), decay_steps=5)
    seen = list(keep_going(run, timing, is_stopped=lambda: False))
    assert seen[-1].step.step == first + 4 + 5 and seen[-1].step.rate == 0
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0


def test_validation_is_noted_beside_the_loss(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = resume_run(finished)
    monkeypatch.setattr(Run, "save", lambda self, keep: None)
    timing = Timing(validate_every=1e-9, max_steps=run.trainer.step + 1)
    seen = list(keep_going(run, timing, is_stopped=lambda: False))
    assert 0 <= seen[0].scores["numbers"].bleu <= 100
    noted = read_curve(finished)[-1]["validation"]["numbers"]
    assert noted["bleu"] == seen[0].scores["numbers"].bleu
    assert "version:" in noted["bleu_signature"]


def test_milestones_stand_at_even_distances_on_a_logarithmic_scale() -> None:
    steps = [step for step in range(1, 10_001) if is_milestone(step)]
    assert steps[:4] == [50, 72, 105, 152]
    assert 14 <= len(steps) <= 16
    ratios = [after / before for before, after in pairwise(steps)]
    assert all(1.4 < ratio < 1.5 for ratio in ratios)


def test_an_exported_run_is_a_model_that_can_be_loaded(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "card.json").write_text('{"licence": "CC BY 2.0", "revision": "old"}')
    assert main(["train", "export", "--run", str(finished), "--out", str(folder)]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    model, tokenizer = load_model(folder)
    weights = load_checkpoint(checkpoints(finished)[-1]).weights
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], atol=1e-3, rtol=1e-3)
    assert load_file(folder / "model.safetensors")["encoder.norm.weight"].dtype == torch.float16
    assert tokenizer.vocab_size == model.config.vocab_size and tokenizer.n_ctx == 64
    card = json.loads((folder / "card.json").read_text())
    assert card["licence"] == "CC BY 2.0" and card["revision"].startswith("step ")
    assert card["parameters"] == sum(p.numel() for p in model.parameters())


def test_exporting_averages_the_last_checkpoints(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(start_arguments(corpus, run, "--max-steps", "4", "--save-every", "0")) == 0
    saved = [load_checkpoint(path).weights for path in checkpoints(run)]
    assert len(saved) == 4
    mean = torch.stack([weights["encoder.norm.weight"] for weights in saved[-3:]]).mean(0)
    model = averaged_model(run, n_checkpoints=3)
    torch.testing.assert_close(model.get_parameter("encoder.norm.weight"), mean)
    with pytest.raises(CheckpointError, match="holds 4 checkpoints; 5 cannot"):
        export_run(run, tmp_path / "model", n_checkpoints=5)


def test_a_run_can_begin_from_a_models_weights(
    corpus: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_run(finished, tmp_path / "model")
    begin = ["--init-from", str(tmp_path / "model"), "--max-steps", "1"]
    assert main(start_arguments(corpus, tmp_path / "run", *begin)) == 0
    assert losses(tmp_path / "run")[0] < losses(finished)[5]
    other = [*start_arguments(corpus, tmp_path / "other", *begin), "--d-model", "64"]
    assert main(other) == 2
    assert "another shape" in capsys.readouterr().err
