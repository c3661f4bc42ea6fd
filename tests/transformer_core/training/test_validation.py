"""Scores are sacrebleu's, translations the model's own, and the command says what it computed."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import sacrebleu
import torch

from tests.support.tiny_corpus import write_corpus
from transformer_core.cli import main
from transformer_core.config import TransformerConfig
from transformer_core.errors import DataError, InputError
from transformer_core.model import Transformer
from transformer_core.models import loading
from transformer_core.tasks import translation
from transformer_core.tokenization.bpe import BpeTokenizer, train_bpe
from transformer_core.training.data import Reference
from transformer_core.training.validation import score, translate_greedily, validate

HYPOTHESES = ["Le chat dort sur le lit.", "Il pleut beaucoup aujourd'hui.", "Je ne sais pas."]
REFERENCES = [
    ["Le chat dort sur le lit.", "Le chat est en train de dormir sur le lit."],
    ["Il pleut fort aujourd'hui."],
    ["Je ne sais pas.", "Je l'ignore.", "Aucune idée."],
]


def test_scores_are_sacrebleus_own() -> None:
    columns = [[refs[i] if i < len(refs) else None for refs in REFERENCES] for i in range(3)]
    scores = score(HYPOTHESES, REFERENCES)
    assert scores.bleu == sacrebleu.corpus_bleu(HYPOTHESES, columns).score  # type: ignore[arg-type]
    assert scores.chrf == sacrebleu.corpus_chrf(HYPOTHESES, columns).score  # type: ignore[arg-type]
    assert (scores.n_sentences, scores.n_references) == (3, 3)
    assert scores.bleu_signature.startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|")
    assert scores.chrf_signature.startswith("nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no|")


def test_any_of_the_references_will_do() -> None:
    only_first = score(HYPOTHESES, [refs[:1] for refs in REFERENCES])
    chosen = [
        "Le chat est en train de dormir sur le lit.",
        "Il pleut fort aujourd'hui.",
        "Je l'ignore.",
    ]
    assert score(chosen, REFERENCES).bleu == pytest.approx(100)
    assert score(chosen, [refs[:1] for refs in REFERENCES]).bleu < only_first.bleu


@pytest.mark.parametrize(
    ("translations", "references"),
    [([], []), (["a"], [[]]), (["a"], [["a"], ["b"]]), (["a", "b"], [["a"]])],
)
def test_what_cannot_be_scored_is_refused(
    translations: list[str], references: list[list[str]]
) -> None:
    with pytest.raises(DataError):
        score(translations, references)


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    texts = [text for refs in REFERENCES for text in refs]
    return train_bpe(texts * 3, vocab_size=320)


@pytest.fixture(scope="module")
def model(tokenizer: BpeTokenizer) -> Transformer:
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=16,
        n_heads=2,
        d_ff=32,
        n_encoder_layers=1,
        n_decoder_layers=1,
        n_ctx=40,
    )
    return Transformer(config, generator=torch.Generator().manual_seed(3)).train()


def _one_by_one(model: Transformer, tokenizer: BpeTokenizer, source: str) -> str:
    """The same, without batch or cache: the whole prefix is read again for each token."""
    ids = tokenizer.encode(source).ids
    src = torch.tensor([ids])
    written = [1]
    model.eval()
    with torch.no_grad():
        while len(written) < min(2 * len(ids) + 10, 40):
            logits = model(src, torch.tensor([written]), src_mask=None)
            written.append(int(logits[0, -1].argmax()))
            if written[-1] == 2:
                break
    model.train()
    return tokenizer.decode(written)


def test_batched_and_cached_it_writes_what_one_by_one_writes(
    model: Transformer, tokenizer: BpeTokenizer
) -> None:
    # Sentences of one length are one batch row each; different lengths test padding and order.
    sources = ["chat", "Le chat dort sur le lit.", "Il", "Je ne sais pas.", "chat"]
    found = translate_greedily(model, tokenizer, sources)
    assert model.training
    longest = max(len(tokenizer.encode(source)) for source in sources)
    for source, text in zip(sources, found, strict=True):
        alone = _one_by_one(model, tokenizer, source)
        # In a batch the limit is that of the longest source.
        assert text.startswith(alone.rstrip("\ufffd")) and len(text) <= 20 * longest
    assert found[0] == found[4]


def test_a_source_too_long_for_the_model_is_refused(
    model: Transformer, tokenizer: BpeTokenizer
) -> None:
    with pytest.raises(InputError, match="Sentence 2 has"):
        translate_greedily(model, tokenizer, ["Il", "Il pleut " * 40])


def test_validation_scores_the_models_own_translations(
    model: Transformer, tokenizer: BpeTokenizer
) -> None:
    sources = ["chat", "Il pleut"]
    references = [
        Reference(source, (text,))
        for source, text in zip(sources, translate_greedily(model, tokenizer, sources), strict=True)
    ]
    assert validate(model, tokenizer, references).chrf == pytest.approx(100)


def _write(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [(f"Source {i}", ref) for i, refs in enumerate(REFERENCES) for ref in refs]
    return _write(tmp_path / "test.tsv", rows)


def test_the_command_scores_a_file_of_translations(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.txt").write_text("\n".join(HYPOTHESES) + "\n")
    command = ["evaluate", "--data", str(data), "--hypotheses", str(tmp_path / "out.txt")]
    assert main(command) == 0
    wanted = score(HYPOTHESES, REFERENCES)
    said = capsys.readouterr().out
    assert "3 sentences, up to 3 references each" in said
    assert f"BLEU {wanted.bleu:.1f}  {wanted.bleu_signature}" in said
    assert f"chrF {wanted.chrf:.1f}  {wanted.chrf_signature}" in said
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == wanted.to_dict()


def test_the_command_translates_with_a_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def translate(_: object, texts: Sequence[str], strategy: object) -> list[SimpleNamespace]:
        assert list(texts) == ["Source 0", "Source 1"]
        assert getattr(strategy, "n_beams", 1) == n_beams
        return [SimpleNamespace(text=text) for text in HYPOTHESES[:2]]

    monkeypatch.setattr(loading, "load", lambda name: SimpleNamespace(write=None))
    monkeypatch.setattr(translation, "translate", translate)
    out = tmp_path / "out.txt"
    command = ["evaluate", "--data", str(data), "--limit", "2", "--out", str(out), "--json"]
    n_beams = 4
    assert main(command) == 0
    assert out.read_text() == "".join(text + "\n" for text in HYPOTHESES[:2])
    assert json.loads(capsys.readouterr().out)["bleu"] == score(HYPOTHESES[:2], REFERENCES[:2]).bleu
    n_beams = 1
    assert main([*command, "--beams", "1"]) == 0


def test_only_what_a_run_held_out_can_be_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "numbers.tsv", n=200)
    hypotheses = tmp_path / "out.txt"
    hypotheses.write_text("un\n" * 7)
    command = ["evaluate", "--data", str(corpus), "--hypotheses", str(hypotheses)]
    assert main([*command, "--held-out", "0.1"]) == 2
    n_sentences = int(capsys.readouterr().err.split("for ")[-1].split()[0])
    hypotheses.write_text("un\n" * n_sentences)
    assert 5 < n_sentences < 40
    assert main([*command, "--held-out", "0.1", "--max-ratio", "9"]) == 0


def test_bad_input_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    hypotheses = ["--hypotheses", str(tmp_path / "latin.txt")]
    assert main(["evaluate", "--data", str(data), *hypotheses]) == 2
    assert "not UTF-8 (byte 4)" in capsys.readouterr().err
    monkeypatch.setattr(loading, "load", lambda name: SimpleNamespace())
    assert main(["evaluate", "--data", str(data), "--model", "minilm"]) == 2
    assert "minilm does not translate" in capsys.readouterr().err
