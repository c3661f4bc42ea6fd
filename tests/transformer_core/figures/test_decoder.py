"""The picture of decoding holds the scores, rows and layers of the steps themselves."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

import transformer_core as tc
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.decoding.text_tree import text_tree
from transformer_core.errors import InputError
from transformer_core.figures import decoder_numbers
from transformer_core.figures.decoder import (
    Extras,
    Shown,
    decoder,
    grown,
    lens_rows,
    with_lens,
    with_tree,
)
from transformer_core.figures.decoder_files import to_csv, to_json
from transformer_core.figures.wire import pack, unpack


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tc.load(str(make_translator(tmp_path_factory.mktemp("tiny") / "model")))


def test_every_score_of_every_step_travels(model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(6))]
    payload = decoder(steps)
    _, arrays = unpack(pack(payload.header, payload.arrays))
    for row, step in enumerate(steps):
        scores = step.logits.numpy()
        sent = arrays["offsets"].values()[row] + arrays["peak"].values()[row]
        assert sent == pytest.approx(scores, abs=2e-2)
        best = arrays["best_ids"].values()[row].astype(int)
        assert arrays["best"].values()[row] == pytest.approx(scores[best], abs=0)
        assert set(best) == set(step.logits.topk(decoder_numbers.N_NAMED).indices.tolist())


def test_a_large_vocabulary_is_gathered_and_keeps_its_mass(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_numbers, "MAX_WHOLE", 10)
    monkeypatch.setattr(decoder_numbers, "N_SENT", 20)
    monkeypatch.setattr(decoder_numbers, "N_BUCKETS", 8)
    steps = [*model.decode("The cat sat.", Sample(seed=1, max_new_tokens=5))]
    arrays = {name: array.values() for name, array in decoder(steps).arrays.items()}
    for row, step in enumerate(steps):
        ids = arrays["best_ids"][row]
        exact = np.exp(arrays["best"][row][ids >= 0]).sum()
        gathered = (arrays["bucket_sizes"][row] * np.exp(arrays["buckets"][row])).sum()
        assert exact + gathered == pytest.approx(float(step.logits.exp().sum()), rel=1e-5)
        assert (ids >= 0).sum() + arrays["bucket_sizes"][row].sum() == len(step.logits)
        assert set(step.written) <= set(ids)


def test_rows_of_attention_and_layers_of_the_lens_are_those_of_the_steps(model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(5))]
    payload = decoder(steps)
    options = payload.header["options"]
    for site in ("decoder", "cross"):
        sent = payload.arrays[f"attention_{site}"]
        for row, step in enumerate(steps):
            expected = step.pattern(site, layer=1).numpy()
            n_keys = expected.shape[-1]
            assert sent.values()[row, 1, :, :n_keys] == pytest.approx(expected, abs=5e-3)
            assert sent.masked[row, 1, :, n_keys:].all()
    for cells, step in zip(options["lens"], steps, strict=True):
        token, p, own = cells[-1]
        best = step.logits.softmax(dim=-1)
        assert p == pytest.approx(float(best.max()), abs=1e-5)
        assert own == pytest.approx(float(best[step.token_id]), abs=1e-5)
        assert token == step.token
    assert payload.header["badge"]["ok"]


def test_the_cache_counts_both_projections_of_every_layer(model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(4))]
    facts = decoder(steps).header["options"]["cache"]
    # Two layers of two matrices of 32 × 32 numbers; every one multiplies once a position.
    assert facts["perPosition"] == 2 * 2 * 32 * 32
    assert facts["nSource"] == len(steps[-1].key_tokens("cross").display)


def rows_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(tree["columns"], row, strict=True)) for row in tree["rows"]]


def test_texts_of_all_strategies_stand_on_one_tree(model: Any) -> None:
    texts = [model.decode("The cat sat.", one) for one in (Greedy(5), Beam(3, max_new_tokens=5))]
    for text in texts:
        _ = [*text]
    tree = text_tree(texts)
    options = decoder(texts[1].steps, Extras(tree=tree, shown=Shown(1))).header["options"]
    assert options["isLog"]
    assert options["tree"]["tip"] == tree.tips[1]
    assert options["tree"]["words"][str(tree.tips[0])] == texts[0].text
    rows = rows_of(options["tree"])
    assert {row["state"] for row in rows} >= {"finished", "pruned"}
    assert [row["total"] for row in rows] == [round(node.total, 5) for node in tree.nodes]
    # A page counts its texts by numbers of its own.
    steps = texts[0].steps
    other = with_tree(decoder(steps), steps, tree, Shown(7), numbers=(7, 9)).header["options"]
    assert [one["number"] for one in other["tree"]["texts"]] == [7, 9]
    assert {row["text"] for row in rows_of(other["tree"])} == {7, 9}
    assert other["tree"]["tip"] == tree.tips[0]


def test_a_text_that_grows_shows_the_step_it_will_show_in_the_end(model: Any) -> None:
    steps = model.decode("The cat sat.", Greedy(6))
    steps = [*steps]
    begun = decoder(steps[:3], Extras(shown=Shown(start=1), is_running=True))
    later = grown(begun, steps[:5])
    options = later.header["options"]
    whole = decoder(steps, Extras(shown=Shown(start=1)))
    assert (options["first"], options["isRunning"]) == (1, True)
    assert [step["token"] for step in options["steps"]] == [step.token for step in steps[:5]]
    assert options["steps"][1] == whole.header["options"]["steps"][1]
    for name, array in later.arrays.items():
        row, expected = np.atleast_1d(array.values()[0], whole.arrays[name].values()[1])
        n = min(row.shape[-1], expected.shape[-1])
        assert row[..., :n] == pytest.approx(expected[..., :n], abs=1e-2)
    assert later.id != begun.id


def test_words_cover_every_token_once(model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(6))]
    words = decoder(steps).header["options"]["words"]
    for site in ("decoder", "cross"):
        covered = [position for _, positions, _ in words[site] for position in positions]
        assert covered == [*range(len(steps[-1].key_tokens(site)))]


def test_a_lens_that_takes_too_long_is_left_out_and_can_be_added(model: Any) -> None:
    steps = [*model.decode("The cat.", Greedy(3))]
    payload = decoder(steps, Extras(max_products=0))
    assert payload.header["options"]["lens"] == []
    assert any("first 0 of 3 steps" in note for note in payload.header["notes"])
    whole = with_lens(payload, [*lens_rows(steps)])
    assert whole.header == decoder(steps).header


def test_files_hold_the_candidates(model: Any) -> None:
    steps = [*model.decode("The cat sat.", Sample(top_k=4, max_new_tokens=3))]
    rows = [*csv.reader(io.StringIO(to_csv(steps)))]
    assert len(rows) == 2 + sum(len(step.candidates) for step in steps)
    content = json.loads(to_json(steps))
    first = steps[0].candidates[0]
    assert content["steps"][0]["candidates"][0]["logit"] == first.logit
    assert content["steps"][0]["n_kept"] == 4
    assert content["strategy"]["top_k"] == 4


def test_a_text_without_steps_has_no_picture() -> None:
    with pytest.raises(InputError, match="Nothing was written"):
        decoder([])
