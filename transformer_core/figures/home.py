"""The pictures of the Home page: one sentence, its translation, and the map with its numbers."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer_core.decoding.strategies import Beam
from transformer_core.errors import EmptyInputError, FileFormatError, InputError
from transformer_core.figures.payload import Payload
from transformer_core.figures.wire import unpack
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.model.generation import Hypothesis

MODEL = "en-fr-small"
TEXT = "The white horse didn't cross the river because it was too tired."
STRATEGY = Beam(4)
"""As in the paper (Vaswani et al. 2017, section 6.1), and as on the page Translate & summarise."""

NOT_ENGLISH = (
    "The model has learned English only: what it writes of other scripts and signs means nothing. "
    "Its numbers are its own all the same."
)

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "first_paint"
ALIGNMENT, ARCHITECTURE = FOLDER / "alignment.bin", FOLDER / "architecture.bin"


@dataclass(frozen=True)
class Pictures:
    """What Home shows of one sentence.

    Attributes:
        alignment: The translation with its cross-attention.
        architecture: The map with the sentence's numbers.
        written: The translation.
        seconds: How long decoding and tracing took; 0 for the shipped pictures.
    """

    alignment: Payload
    architecture: Payload
    written: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The sentence."""
        return str(self.architecture.header["text"])

    @property
    def is_foreign(self) -> bool:
        """Whether the sentence is hardly in Latin letters."""
        return NOT_ENGLISH in self.alignment.header["notes"]


def parts_of(model: Any, text: str) -> list[str]:
    """The parts that the model translates one by one; a sentence is one part.

    Raises:
        EmptyInputError: If there is nothing to read.
        InputError: If the text cannot be encoded.
    """
    from transformer_core.tasks.sentences import fitting
    from transformer_core.tasks.translation import COMFORTABLE, token_count

    if not text.strip():
        raise EmptyInputError("There is no text. Type a sentence.")
    pieces = fitting(text, lambda part: token_count(model, part), COMFORTABLE, language="en")
    return [piece.text for piece in pieces]


def pictures_of(model: Any, text: str) -> Pictures:
    """Translate a sentence and draw what happened, from one decoding and its trace.

    Args:
        model: An encoder–decoder of our own.
        text: What it can read at once.

    Raises:
        InputError: If the text cannot be encoded or nothing is written.
    """
    from transformer_core.analysis.architecture import block_outputs
    from transformer_core.figures.alignment import alignment
    from transformer_core.figures.architecture import architecture
    from transformer_core.tasks.alignments import measured_choice

    started = time.perf_counter()
    source = model.tokenizer.encode(text)
    limit = min(2 * len(source) + 16, model.n_ctx - 1)
    best = model.write([source.ids], replace(STRATEGY, max_new_tokens=limit))[0]
    if not best.ids:
        raise InputError("The model ended before it wrote a word. Try another sentence.")
    target = model.tokenizer.from_ids([model.module.config.bos_id, *best.ids])
    trace = model.trace(source, target)
    found = block_outputs(model, trace)
    choice = measured_choice(model)
    chances = found.outputs["softmax"]
    likeliest = tuple(map(model.tokenizer.show, chances.argmax(dim=-1).tolist()))
    own = [float(chances[i, token]) for i, token in enumerate(best.ids)]
    seconds = time.perf_counter() - started
    return Pictures(
        alignment(trace, own, choice, notes=(*_foreign(text), *_cut(best, limit))),
        architecture(trace, found, decoder_layer=choice.layer, predicted=likeliest),
        model.tokenizer.decode(best.ids).strip(),
        seconds,
    )


def _foreign(text: str) -> tuple[str, ...]:
    """What is to be said of a text that is hardly in Latin letters."""
    letters = [c for c in text if not c.isspace() and not c.isdecimal()]
    n_latin = sum(c.isascii() or unicodedata.name(c, "").startswith("LATIN") for c in letters)
    if not letters or 2 * n_latin >= len(letters):
        return ()
    return (NOT_ENGLISH,)


def _cut(written: Hypothesis, limit: int) -> tuple[str, ...]:
    if not written.is_cut:
        return ()
    return (
        f"Cut after {limit} tokens, twice the source's and 16 more: the model had not ended by "
        "itself.",
    )


def save(model: Any, *, folder: Path = FOLDER) -> Sequence[Path]:
    """Translate the first sentence and write its pictures, with model, revision and text inside."""
    pictures = pictures_of(model, TEXT)
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / ALIGNMENT.name, folder / ARCHITECTURE.name)
    for path, payload in zip(paths, (pictures.alignment, pictures.architecture), strict=True):
        path.write_bytes(payload.to_bytes())
    return paths


def load(folder: Path = FOLDER) -> Pictures:
    """Read the shipped pictures.

    Raises:
        FileFormatError: If one is missing; the message says how to make it.
    """
    return Pictures(_read(folder / ALIGNMENT.name), _read(folder / ARCHITECTURE.name))


def to_json(pictures: Pictures) -> str:
    """Every block's numbers with what they are of."""
    header = pictures.architecture.header
    options = header["options"]
    blocks = {
        name: {key: block[key] for key in ("name", "what", "equation", "paper", "layers")}
        for name, block in options["blocks"].items()
    }
    content = {
        "model": header["model"],
        "revision": header["revision"],
        "text": header["text"],
        "source_tokens": header["keys"]["display"],
        "target_tokens": header["queries"]["display"],
        "predicted": options["predicted"],
        "values": "ids of tokens; length of each token's vector; of linear the largest logit, "
        "of softmax its probability",
        "blocks": blocks,
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def to_csv(pictures: Pictures) -> str:
    """A row for each block, layer and token; the first line says of what."""
    import io

    header = pictures.architecture.header
    sides = {"encoder": header["keys"]["display"], "decoder": header["queries"]["display"]}
    out = io.StringIO()
    writer = TableWriter(out)
    source = {key: header[key] for key in ("model", "revision", "text")}
    writer.writerow(["# " + " · ".join(f"{key} {value}" for key, value in source.items())])
    writer.writerow(["block", "layer", "shape", "position", "token", "value"])
    for name, block in header["options"]["blocks"].items():
        for layer, numbers in enumerate(block["layers"]):
            place = layer if name.count(".") > 1 else ""
            shape = " × ".join(map(str, numbers["shape"]))
            rows = zip(sides[block["side"]], numbers["values"], strict=True)
            for position, (token, value) in enumerate(rows):
                writer.writerow([name, place, shape, position, token, value])
    return out.getvalue()


def _read(path: Path) -> Payload:
    try:
        header, arrays = unpack(path.read_bytes())
    except OSError as error:
        raise FileFormatError(
            f"{path} is missing; make it with `python -m transformer_core first-paint`."
        ) from error
    header.pop("id")
    return Payload(header, arrays)
