"""Models that people trained here and kept: folders of this server, and ZIP files that travel.

A kept model has an id such as ``trained-reverse-1a2b3c4d``, which ``load`` takes like any other.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import secrets
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from transformer_core.errors import BusyError, FileFormatError, ModelUnavailableError, StorageError
from transformer_core.models.cache import cache_folder
from transformer_core.models.scratch import CONFIG, TOKENIZER, WEIGHTS, read_own_config, save_model

if TYPE_CHECKING:
    from transformer_core.model import Transformer
    from transformer_core.tokenization.bpe import BpeTokenizer

PREFIX = "trained-"
CARD = "card.json"
MAX_ZIP_BYTES = 100 * 2**20
"""A larger file is refused before it is read; so is one that unpacks to more."""
MAX_KEPT = 300
"""Models that a server keeps; none is deleted unasked."""
_FILES = (CONFIG, WEIGHTS, TOKENIZER, CARD)
_ID = re.compile(r"trained-[a-z0-9-]{1,40}")
_MAX_PARAMETERS = 50_000_000
_MAX_NAME = 60
_MAX_SAID = 400
_SAID = ("name", "task", "licence", "source", "description", "revision")
_CHUNK = 2**20
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    KeyError,
)


def trained_folder() -> Path:
    """Return where kept models lie; it may not exist yet."""
    return cache_folder() / "trained"


def folder_of(model_id: str) -> Path | None:
    """Return the folder of a kept model; None if there is none of that id."""
    if not _ID.fullmatch(model_id):
        return None
    folder = trained_folder() / model_id
    return folder if (folder / CONFIG).is_file() else None


def keep_model(
    model: Transformer,
    tokenizer: BpeTokenizer,
    *,
    name: str,
    description: str,
    revision: str,
    task: str = "text to text",
) -> str:
    """Keep a model on this server, in 32 bits, and return its id.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        name: What people call it.
        description: How it came about, in a sentence.
        revision: Which weights these are.
        task: What it was trained to do.

    Raises:
        BusyError: If the server keeps as many as it may, or its disk is full.
    """
    card = {
        "name": name,
        "task": task,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "licence": "of whoever trained it",
        "source": "trained on the Train page",
        "description": description,
        "revision": revision,
    }
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
        try:
            save_model(folder, model, tokenizer, in_16_bits=False)
            (folder / CARD).write_text(text, encoding="utf-8")
        except (OSError, StorageError) as error:
            raise BusyError(
                "The model cannot be kept: this server's disk is full, or may not be written to. "
                "Its operator must make room."
            ) from error
        return _adopt(folder, name)


def to_zip(model_id: str) -> bytes:
    """Return a kept model as a ZIP file: safetensors, configuration, tokenizer, card.

    Raises:
        ModelUnavailableError: If there is no such model.
    """
    folder = folder_of(model_id)
    if folder is None:
        raise ModelUnavailableError(missing(model_id))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _FILES:
            if (folder / name).is_file():
                archive.write(folder / name, f"{model_id}/{name}")
    return out.getvalue()


def from_zip(content: bytes, *, name: str) -> str:
    """Keep the model in a ZIP file that :func:`to_zip` wrote, and return its id here.

    Only its four files are read, by name, into a folder made for them: no path of the archive is
    followed. No pickle is opened; configuration, tokenizer and weights must belong together.

    Args:
        content: The file.
        name: What messages call it.

    Raises:
        FileFormatError: If it is something else, or too large.
        BusyError: As :func:`keep_model`.
    """
    if len(content) > MAX_ZIP_BYTES:
        raise FileFormatError(
            f"{name} has {len(content) / 2**20:,.0f} MiB; {MAX_ZIP_BYTES // 2**20} may be read."
        )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        folder.mkdir()
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _unpack(archive, folder, name)
        except _BROKEN as error:
            raise FileFormatError(f"{name} is no ZIP file that can be read: {error}") from error
        title = _check(folder, name)
        return _adopt(folder, title)


def missing(model_id: str) -> str:
    """Say that a kept model is not there."""
    return (
        f"There is no model {model_id!r} on this server (any more). If you downloaded it, open its "
        "ZIP file on the Train page."
    )


def _unpack(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        base = info.filename.rpartition("/")[2]
        if base in found:
            raise FileFormatError(f"{name} holds {base} twice.")
        if base in _FILES:
            found[base] = info
    if lacking := [file for file in (CONFIG, WEIGHTS, TOKENIZER) if file not in found]:
        raise FileFormatError(
            f"{name} is no model of the Train page: it lacks {', '.join(lacking)}."
        )
    left = MAX_ZIP_BYTES
    for base, info in found.items():
        with archive.open(info) as source, (folder / base).open("wb") as target:
            while chunk := source.read(_CHUNK):
                # What the archive says of its sizes may be a lie: count.
                left -= len(chunk)
                if left < 0:
                    raise FileFormatError(
                        f"{name} unpacks to more than {MAX_ZIP_BYTES // 2**20} MiB."
                    )
                target.write(chunk)


def _check(folder: Path, name: str) -> str:
    """Load the model once; return what its card calls it."""
    from transformer_core.models.scratch import load_model

    try:
        config = read_own_config(folder)
        # Positions that are not learned are no parameters, but a table of them is made.
        n_wanted = max(config.n_parameters, config.n_ctx * config.d_model)
        if n_wanted > _MAX_PARAMETERS:
            raise FileFormatError(
                f"{name} is a model of {n_wanted:,} parameters; {_MAX_PARAMETERS:,} at most are "
                "opened here."
            )
        load_model(folder)
    except ModelUnavailableError as error:
        # The folder is a temporary one, whose name says nothing.
        raise FileFormatError(str(error).replace(str(folder), name)) from error
    card = _read_card(folder / CARD)
    (folder / CARD).unlink(missing_ok=True)
    if card:
        text = json.dumps({**card, "parameters": config.n_parameters}, indent=2, ensure_ascii=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")
    return card.get("name") or name.removesuffix(".zip")[:_MAX_NAME]


def _read_card(path: Path) -> dict[str, str]:
    """What a card from elsewhere says, as short texts; what is none is left out."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair ends here
        said = {key: content[key] for key in _SAID if isinstance(content.get(key), str)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return {key: text[: _MAX_NAME if key == "name" else _MAX_SAID] for key, text in said.items()}


def _adopt(folder: Path, name: str) -> str:
    """Move a whole folder to where kept models lie, under an id of its own."""
    place = trained_folder()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or "model"
    model_id = f"{PREFIX}{slug}-{secrets.token_hex(4)}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in place.iterdir()) >= MAX_KEPT:
            raise BusyError(
                f"This server keeps {MAX_KEPT} models, its limit. Download yours instead; its "
                f"operator may delete old ones in {place.name}."
            )
        shutil.move(str(folder), place / model_id)
    except OSError as error:
        raise BusyError(f"The model cannot be kept on this server: {error}") from error
    return model_id
