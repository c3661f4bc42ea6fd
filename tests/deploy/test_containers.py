"""What the container files promise, read from them: they are built where Docker is to be had."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
APPS = ("app-a", "app-b")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(str(place).startswith("/tmp") for place in service["tmpfs"])


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    outer = [name for name, service in SERVICES.items() if "outer" in service["networks"]]
    assert outer == ["proxy"]
    assert COMPOSE["networks"]["inner"]["internal"] is True


def test_the_replicas_differ_in_nothing_but_their_state() -> None:
    first, second = ({k: v for k, v in SERVICES[n].items() if k != "volumes"} for n in APPS)
    assert first == second
    assert {SERVICES[name]["volumes"][0] for name in APPS} == {"app-a:/state", "app-b:/state"}
    assert "COOKIE_SECRET:?" in first["environment"]["STREAMLIT_SERVER_COOKIE_SECRET"]
    assert first["environment"]["TRANSFORMER_WORKBENCH_RAY_ADDRESS"] == "ray://models:8000"


def test_the_proxy_passes_on_to_the_replicas() -> None:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert re.findall(r"server (\S+) max_fails", text) == [f"{name}:8501" for name in APPS]


def test_targets_are_there_and_run_as_nobody_in_particular() -> None:
    targets = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE)
    assert {SERVICES[name]["build"]["target"] for name in (*APPS, "models")} <= set(targets)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    final = DOCKERFILE[DOCKERFILE.index(" AS base") :]
    assert "pip" not in final and "USER 0" not in final and "USER root" not in final
    assert "/_stcore/health" in DOCKERFILE[DOCKERFILE.index("FROM base AS app") :]


def test_what_is_copied_is_there_and_sent_to_the_builder() -> None:
    sent = [
        line.removeprefix("!").rstrip("*")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    for source in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE):
        found = list(ROOT.glob(source))
        assert found, source
        assert any(name.startswith(source.rstrip("*")) for name in sent), source


def test_what_is_written_goes_where_it_may() -> None:
    names = ("HOME", "XDG_CACHE_HOME", "HF_HOME", "TRANSFORMER_WORKBENCH_CACHE")
    for name in names:
        assert re.search(rf"^(ENV)?\s+.*\b{name}=/state", DOCKERFILE, re.MULTILINE), name
