"""The limits of a server: their variables, their bounds, and what the README says of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from transformer_core.errors import ConfigError
from transformer_core.settings import Settings, settings, variable

ROOT = Path(__file__).resolve().parents[2]


def test_every_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_TEXT_CHARACTERS", "500")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUN_MINUTES", "2.5")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CATALOGUE_ONLY", "0")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_ALLOWED_MODELS", "gpt2, google/*")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CACHE", "/tmp/somewhere")
    found = settings()
    assert (found.text_characters, found.run_minutes, found.catalogue_only) == (500, 2.5, False)
    assert found.allowed_models == ("gpt2", "google/*")
    assert found.cache == Path("/tmp/somewhere")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.setenv(variable(field), "")
    assert settings() == Settings.model_construct()


def test_settings_follow_a_changed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings() is settings()
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUNS", "9")
    assert settings().runs == 9


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().runs = 7


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("runs", "many", "is 'many'; it must be a whole number."),
        ("runs", "-1", "is '-1'; it must be at least 0."),
        ("runs", "1.5", "is '1.5'; it must be a whole number."),
        ("run_minutes", "0", "is '0'; it must be above 0."),
        ("run_minutes", "inf", "is 'inf'; it must be a finite number."),
        ("run_minutes", "nan", "is 'nan'; it must be a finite number."),
        ("queue_window_ms", "nan", "is 'nan'; it must be"),
        ("catalogue_only", "perhaps", "is 'perhaps'; it must be 1 or 0."),
        ("upload_megabytes", "0", "is '0'; it must be at least 1."),
        ("text_characters", "1e99", "is '1e99'; it must be a whole number."),
    ],
)
def test_a_bad_value_is_named_with_its_limit(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable(field), value)
    with pytest.raises(ConfigError) as caught:
        settings()
    assert str(caught.value).startswith(f"{variable(field)} {says}")
    assert "\n" not in str(caught.value)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUNS", "x")
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_BATCH_SIZE", "0")
    with pytest.raises(ConfigError, match=r"BATCH_SIZE.*RUNS|RUNS.*BATCH_SIZE"):
        settings()


def test_a_misspelt_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUNS_EACHH", "3")
    with pytest.raises(ConfigError, match="EACHH is no setting. Is .*_RUNS_EACH meant"):
        settings()


def test_every_field_says_what_it_is() -> None:
    assert all(info.description for info in Settings.model_fields.values())


def test_the_readme_lists_every_variable_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {
        row.split("|")[1].strip(): row
        for row in readme.splitlines()
        if row.startswith("| `") and row.count("|") == 4
    }
    for field, info in Settings.model_fields.items():
        row = rows.get(f"`{field.upper()}`")
        assert row is not None, f"README.md does not list {field.upper()}"
        assert row == readme_row(field), f"README.md should say: {readme_row(field)}"
        assert info.description is not None


def readme_row(field: str) -> str:
    info = Settings.model_fields[field]
    default = info.default
    shown = "" if default in (None, ()) else f"{default:,}"
    return f"| `{field.upper()}` | {shown} | {info.description} |"


def test_reading_settings_leaves_torch_and_streamlit_alone() -> None:
    code = (
        "import sys, transformer_core.settings as s; s.settings()\n"
        "sys.exit(bool({'torch', 'transformers', 'streamlit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
