"""What a run looked at while it learnt: the model's own patterns, kept and read back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.support.tiny_corpus import write_corpus
from transformer_core.cli import main
from transformer_core.config import TransformerConfig
from transformer_core.errors import CheckpointError, FileFormatError, NotInTraceError
from transformer_core.model import Transformer
from transformer_core.models.scratch import load_model
from transformer_core.tokenization.bpe import train_bpe
from transformer_core.training.corpus import read_corpora
from transformer_core.training.kernels import use_cpu_kernels
from transformer_core.training.learning import (
    EXAMPLES,
    Learning,
    cross_patterns,
    example_tokens,
)
from transformer_core.training.moments import likelihood, look_back
from transformer_core.training.run import read_plan

SHAPE = ["--vocab-size", "300", "--d-model", "32", "--n-heads", "4", "--d-ff", "64"]
SHAPE += ["--n-encoder-layers", "1", "--n-decoder-layers", "2", "--n-ctx", "128"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    corpus = write_corpus(folder / "numbers.tsv")
    data = ["--data", f"numbers={corpus},held_out=0.1", "--tokens", "200", "--warmup", "20"]
    start = ["train", "start", "--run", str(folder / "numbers"), *data, *SHAPE]
    assert main([*start, "--max-steps", "60", "--validate-every", "0"]) == 0
    return folder / "numbers"


@pytest.fixture(scope="module")
def learning(run: Path) -> Learning:
    return look_back(run, name="numbers")


def test_the_moments_are_the_first_the_milestones_and_the_last(learning: Learning) -> None:
    assert [moment.step for moment in learning.moments] == [0, 50, 60]


def test_a_moments_numbers_are_the_models(run: Path, learning: Learning, tmp_path: Path) -> None:
    assert main(["train", "export", "--run", str(run), "--out", str(tmp_path)]) == 0
    model, tokenizer = load_model(tmp_path)
    (corpus,) = read_corpora(read_plan(run).corpora)
    # One sentence after the other, with torch's own loss.
    total, n_labels = 0.0, 0
    for reference in corpus.validation:
        src = torch.tensor([tokenizer.encode(reference.source).ids])
        target = [*tokenizer.encode(reference.targets[0]).ids]
        logits = model(src, torch.tensor([[1, *target[:-1]]]), src_mask=None)[0]
        total += float(functional.cross_entropy(logits, torch.tensor(target), reduction="sum"))
        n_labels += len(target)
    last = learning.moments[-1]
    assert last.nll["numbers"] == pytest.approx(total / n_labels, rel=2e-3)  # 16 bits in the file
    assert likelihood(model, tokenizer, corpus.validation) == pytest.approx(total / n_labels)
    assert last.n_sentences == {"numbers": len(corpus.validation)}
    assert last.nll["numbers"] < learning.moments[0].nll["numbers"]
    assert len(last.translations) == len(EXAMPLES)


def test_patterns_are_those_of_torchs_own_attention() -> None:
    config = TransformerConfig(
        vocab_size=300, d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1, n_decoder_layers=1
    )
    model = Transformer(config, generator=torch.Generator().manual_seed(1)).eval()
    tokenizer = train_bpe([text for pair in EXAMPLES for text in pair], vocab_size=300)
    sources, targets = example_tokens(tokenizer, EXAMPLES)
    pattern = cross_patterns(model, sources[0], targets[0])

    ours = model.get_submodule("decoder.layers.0.cross_attention")
    weights = ours.state_dict()
    theirs = nn.MultiheadAttention(16, 2, batch_first=True)
    with torch.no_grad():
        for kind in ("weight", "bias"):
            stacked = torch.cat([weights[f"w_q.{kind}"], weights[f"w_kv.{kind}"]])
            theirs.get_parameter(f"in_proj_{kind}").copy_(stacked)
    read: list[torch.Tensor] = []
    w_q = ours.get_submodule("w_q")
    handle = w_q.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    with torch.no_grad():
        memory = model.encode(torch.tensor([sources[0].ids]), None)
        model.decode(torch.tensor([targets[0].ids]), memory, src_mask=None)
        wanted = theirs(read[0], memory, memory, average_attn_weights=False)[1]
    handle.remove()
    torch.testing.assert_close(pattern[0], wanted[0])
    use_cpu_kernels(model)
    torch.testing.assert_close(cross_patterns(model, sources[0], targets[0])[0], wanted[0])


def test_every_moment_reads_as_a_trace(learning: Learning) -> None:
    trace = learning.trace(1, 0)
    assert trace.sites == ("cross",) and trace.n_layers("cross") == 2
    assert trace.n_heads("cross") == 4
    assert trace.text == EXAMPLES[0][0] and trace.target_text == EXAMPLES[0][1]
    assert trace.revision == "step 50" and trace.model_id == "numbers"
    pattern = trace.pattern("cross", layer=1)
    assert pattern.shape == (4, len(trace.target_tokens or ()), len(trace.tokens))
    torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:2]))
    assert not torch.equal(pattern, learning.trace(2, 0).pattern("cross", layer=1))


@pytest.mark.parametrize(("moment", "example"), [(-1, 0), (3, 0), (0, 5), (0, -1)])
def test_a_moment_that_is_none_is_refused(learning: Learning, moment: int, example: int) -> None:
    with pytest.raises(NotInTraceError, match="0 to 2, examples from 0 to 4"):
        learning.trace(moment, example)


def test_saved_and_loaded_it_is_the_same(learning: Learning, tmp_path: Path) -> None:
    learning.save(tmp_path / "learning.npz")
    loaded = Learning.load(tmp_path / "learning.npz")
    assert loaded.moments == learning.moments
    assert loaded.sources == learning.sources and loaded.targets == learning.targets
    for ours, theirs in zip(loaded.patterns, learning.patterns, strict=True):
        assert np.array_equal(ours, theirs)


def test_the_command_writes_the_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "learning.npz"
    command = ["train", "learning", "--run", str(run), "--out", str(out), "--moments", "2"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n" and "step 60  numbers: BLEU" in said.err
    assert [moment.step for moment in Learning.load(out).moments] == [0, 60]


@pytest.mark.parametrize("content", [b"", b"PK no zip", b"text"])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "learning.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"learning\.npz"):
        Learning.load(path)


def test_a_run_without_a_checkpoint_has_nothing_to_look_back_from(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        look_back(tmp_path, name="x")
