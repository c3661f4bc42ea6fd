"""A text that a cluster writes: the same as here, whatever happens to the replica."""

from pathlib import Path
from typing import Any

import pytest
import torch

import transformer_core as tc
from tests.support.served import line_of, served
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.begin import begin
from transformer_core.errors import FileFormatError, InputError, ModelUnavailableError
from transformer_core.serving import speaking, transport
from transformer_core.serving.faults import error_from_bytes
from transformer_core.serving.handle import RemoteModel
from transformer_core.serving.packets import Packet
from transformer_core.serving.service import Service

TEXT = "The cat sat on"
STRATEGIES = [
    tc.Greedy(7),
    tc.Beam(3, max_new_tokens=6),
    tc.Sample(seed=3, temperature=1.5, max_new_tokens=7),
]


@pytest.fixture(scope="module", params=["gpt2", "own"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp(request.param) / "m"
    return tc.load(make_translator(folder) if request.param == "own" else make_tiny("gpt2", folder))


@pytest.fixture
def handle(model: Any) -> RemoteModel:
    remote = served(model)
    line_of(remote).asked.clear()
    return remote


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_PAUSES", (0.0,))


def assert_same(steps: Any, others: Any) -> None:
    assert [s.token_id for s in steps] == [s.token_id for s in others]
    for one, other in zip(steps, others, strict=True):
        assert torch.equal(one.logits, other.logits)
        assert (one.ended, one.cache, one.text) == (other.ended, other.cache, other.text)
        assert one.log_prob == other.log_prob


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
def test_a_text_takes_one_stream(model: Any, handle: RemoteModel, strategy: Any) -> None:
    ours, theirs = list(model.decode(TEXT, strategy)), list(handle.decode(TEXT, strategy))
    assert_same(theirs, ours)
    assert line_of(handle).asked == ["begin", "steps"]


def test_a_step_shows_what_it_saw_without_asking(model: Any, handle: RemoteModel) -> None:
    ours, theirs = ([*m.decode(TEXT, tc.Greedy(5))] for m in (model, handle))
    asked = list(line_of(handle).asked)
    for one, other in zip(ours, theirs, strict=True):
        for site in one.sites:
            assert torch.equal(other.pattern(site, layer=1), one.pattern(site, layer=1))
    trace = theirs[-1].trace
    for site in trace.sites:
        expected = ours[-1].trace.pattern(site, layer=0)
        assert torch.equal(trace.pattern(site, layer=0), expected)
    assert line_of(handle).asked == asked
    site = trace.sites[-1]
    z = trace.record(site, layer=0).z
    assert z is not None and torch.equal(z, ours[-1].trace.record(site, layer=0).z)
    assert torch.equal(theirs[2].lens_logits(), ours[2].lens_logits())


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
def test_a_stream_that_breaks_off_is_gone_on_with(
    model: Any, handle: RemoteModel, strategy: Any
) -> None:
    line_of(handle).loses_after = 2
    assert_same(list(handle.decode(TEXT, strategy)), list(model.decode(TEXT, strategy)))
    assert line_of(handle).asked.count("steps") > 2


def test_a_replica_that_always_dies_is_not_tried_for_ever(handle: RemoteModel) -> None:
    line_of(handle).loses_after = 0
    with pytest.raises(ModelUnavailableError, match="did not answer after 7 tries"):
        list(handle.decode(TEXT, tc.Greedy(4)))


def test_a_fork_goes_on_from_the_tokens_so_far(model: Any, handle: RemoteModel) -> None:
    texts = []
    for each in (model, handle):
        decoding = each.decode(TEXT, tc.Greedy(6))
        steps = list(decoding)
        other = decoding.fork(2, token_id=steps[2].token_id + 1)
        again = decoding.fork(3)
        texts.append((steps, [*other], [*again]))
    (ours, our_fork, our_again), (theirs, their_fork, their_again) = texts
    assert_same(theirs, ours)
    assert_same(their_fork, our_fork)
    assert_same(their_again, our_again)
    assert their_fork[0].token_id != ours[2].token_id


def test_a_forced_token_opens_a_new_stream(model: Any, handle: RemoteModel) -> None:
    texts = []
    for each in (model, handle):
        decoding = each.decode(TEXT, tc.Sample(seed=1, max_new_tokens=6))
        first = next(decoding)
        decoding.force((first.token_id + 3) % 200 + 20)
        texts.append([first, *decoding])
    assert_same(texts[1], texts[0])
    assert line_of(handle).asked.count("steps") == 2


def test_a_prefix_is_known_to_the_replica(model: Any, handle: RemoteModel) -> None:
    ours = list(model.decode(TEXT, tc.Greedy(6), target_prefix="Le chat"))
    theirs = list(handle.decode(TEXT, tc.Greedy(6), target_prefix="Le chat"))
    assert_same(theirs, ours)
    assert theirs[0].is_forced
    assert line_of(handle).asked == ["begin", "steps"]


def test_a_wrong_guess_costs_time_only(model: Any, handle: RemoteModel) -> None:
    for strategy in (tc.Beam(3, max_new_tokens=5), tc.Sample(seed=5, max_new_tokens=5)):
        ours = list(begin(model.stepper(TEXT), strategy))
        theirs = list(begin(handle.stepper(TEXT), strategy))  # whose guess is greedy
        assert_same(theirs, ours)


def test_a_text_without_recording_sends_scores_only(model: Any, handle: RemoteModel) -> None:
    ours = [step.token_id for step in model.decode(TEXT, tc.Greedy(5), is_recording=False)]
    decoding = handle.decode(TEXT, tc.Greedy(5), is_recording=False)
    assert [step.token_id for step in decoding] == ours
    with pytest.raises(tc.errors.NotInTraceError):
        _ = decoding.steps[0].logits


def test_a_stream_ends_where_it_holds_enough(
    model: Any, handle: RemoteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaking, "MAX_AHEAD", 10_000)
    assert_same(list(handle.decode(TEXT, tc.Greedy(6))), list(model.decode(TEXT, tc.Greedy(6))))
    assert line_of(handle).asked.count("steps") > 1


def test_a_text_that_is_stopped_closes_its_stream(handle: RemoteModel) -> None:
    decoding = handle.decode(TEXT, tc.Greedy(20), should_stop=lambda: len(decoding.steps) == 2)
    assert len(list(decoding)) == 2
    assert decoding.ended == "stopped"


def test_wrong_settings_are_refused_here(handle: RemoteModel) -> None:
    with pytest.raises(InputError, match="There is no token"):
        handle.decode(TEXT, target_prefix=[10**6])


def test_an_error_on_the_way_reaches_the_reader(
    handle: RemoteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding = handle.decode(TEXT, tc.Greedy(4))

    def speak(*_: Any) -> Any:
        raise InputError("The replica has no room for more.")

    monkeypatch.setattr("transformer_core.serving.service.speak", speak)
    with pytest.raises(InputError, match="no room for more"):
        next(decoding)


def test_a_request_that_is_not_whole_is_refused(model: Any) -> None:
    request = Packet({"source": {"text": TEXT}})
    frame = next(Service(model).steps(request.to_bytes()))
    error = error_from_bytes(Packet.from_bytes(frame[4:]).header["error"].encode())
    assert isinstance(error, FileFormatError) and "not whole" in str(error)
