"""One tree holds greedy, sampled and beam texts, each with its own scores."""

from typing import Any

import pytest

import transformer_core as tc
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.decoding.text_tree import TextTree, strategy_name, text_tree

TEXT = "The cat sat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tc.load(str(make_translator(tmp_path_factory.mktemp("tiny") / "model")))


def written(model: Any, *strategies: Any) -> tuple[list[Any], TextTree]:
    texts = [model.decode(TEXT, strategy) for strategy in strategies]
    for text in texts:
        _ = [*text]
    return texts, text_tree(texts)


def ids_of(tree: TextTree, place: int) -> list[int]:
    return [node.token_id for node in tree.path(tree.nodes[place])]


def test_every_text_is_a_path_and_a_shared_beginning_stands_once(model: Any) -> None:
    strategies = [Greedy(6), Beam(3, max_new_tokens=6), Sample(2.0, seed=4, max_new_tokens=6)]
    texts, tree = written(model, *strategies)
    for text, tip in zip(texts, tree.tips, strict=True):
        assert tip is not None
        assert ids_of(tree, tip) == list(text.token_ids)
        assert tree.nodes[tip].state == "finished"
        assert tree.words[tip] == text.text
    keys = [(node.parent, node.token_id) for node in tree.nodes]
    assert len(keys) == len(set(keys))
    assert all(node.parent is None or node.parent < node.id for node in tree.nodes)
    # Every hypothesis of the search is there, pruned ones with what the search gave them.
    paths = {tuple(ids_of(tree, node.id)): node for node in tree.nodes}
    for hypothesis in texts[1].tree:
        node = paths[texts[1].tree.token_ids(hypothesis)]
        assert node.total == hypothesis.total
        if not set(node.texts) & {0, 2}:
            assert node.state == hypothesis.state


def test_scores_of_texts_that_no_search_saw_are_the_models_own(model: Any) -> None:
    texts, tree = written(model, Sample(3.0, seed=1, max_new_tokens=5))
    assert [node.total for node in tree.nodes] == [
        step.cumulative_log_prob for step in texts[0].steps
    ]
    assert tree.nodes[2].score(2.0) == pytest.approx(tree.nodes[2].total / 9)


def test_a_length_penalty_ranks_as_the_search_does(model: Any) -> None:
    texts, tree = written(model, Beam(4, max_new_tokens=6))
    search = texts[0].tree
    for penalty in (-1.0, 0.0, 1.0, 3.0):
        expected = [search.token_ids(h) for h in search.with_length_penalty(penalty).ranked]
        assert [tuple(ids_of(tree, n.id)) for n in tree.ranked(penalty)] == expected


def test_a_node_opens_the_text_that_holds_it_at_its_step(model: Any) -> None:
    texts, tree = written(model, Greedy(5), Beam(3, max_new_tokens=5))
    kinds = set()
    for node in tree.nodes:
        kinds.add((node.text, node.hypothesis is None))
        steps = (
            texts[node.text].steps
            if node.hypothesis is None
            else texts[node.text].steps_of(node.hypothesis)
        )
        assert list(steps[node.depth - 1].written) == ids_of(tree, node.id)
    assert (1, False) in kinds


def test_a_fork_leaves_its_text_where_it_was_forked(model: Any) -> None:
    (text,) = [model.decode(TEXT, Greedy(6))]
    _ = [*text]
    other = int(text.steps[2].logits.topk(3).indices[2])
    fork = text.fork(2, other)
    next(fork)
    tree = text_tree([text, fork], ["own", "by hand"])
    assert tree.names == ("own", "by hand")
    assert tree.tips[1] is not None
    tip = tree.nodes[tree.tips[1]]
    assert (tip.depth, tip.token_id, tip.state) == (3, other, "alive")
    assert tree.nodes[1].texts == (0, 1)
    assert len(tree.nodes) == 7


def test_an_empty_text_has_no_tip(model: Any) -> None:
    assert text_tree([model.decode(TEXT, Greedy(3))]).tips == (None,)


def test_strategies_are_named_with_what_tells_them_apart() -> None:
    assert strategy_name(Greedy()) == "greedy"
    assert strategy_name(Beam(5)) == "beam of 5"
    named = strategy_name(Sample(0.7, top_k=40, top_p=0.9, seed=3))
    assert named == "sample 3, T 0.7, top-k 40, top-p 0.9"
