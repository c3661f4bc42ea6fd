"""A hub on this machine, for the tests of what is fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import close_session

from tests.support.fake_hub import FakeHub, point_to


@pytest.fixture
def hub_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    fake = FakeHub()
    with fake.serving() as endpoint:
        point_to(endpoint, tmp_path, monkeypatch)
        yield fake
        close_session()
