"""What a run does where the engine's port answers other users."""

from __future__ import annotations

import pytest

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.errors import EngineError
from cloud_etl.pipeline import shared_host
from cloud_etl.pipeline.shared_host import look_at_host


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the users that a warning told of, on a system that closes no port and has two others."""
    told: list[str] = []
    monkeypatch.setattr(shared_host, "can_close", lambda: False)
    monkeypatch.setattr(shared_host, "other_users", lambda: ["ann", "bob"])
    monkeypatch.setattr(shared_host.log, "warning", lambda event, **fields: told.append(fields["users"]), raising=False)
    return told


def test_a_run_says_who_could_use_its_port(warned: list[str]) -> None:
    look_at_host(EngineSpec())
    assert warned == ["ann, bob"]


def test_refuse_stops_the_run_before_it_reads(warned: list[str]) -> None:
    with pytest.raises(EngineError, match="Nothing was read"):
        look_at_host(EngineSpec(shared_host="refuse"))


def test_the_engine_that_verifies_is_looked_at_too(warned: list[str]) -> None:
    with pytest.raises(EngineError):
        look_at_host(EngineSpec(name="spark", verify="sail", shared_host="refuse"))


def test_allow_is_silent(warned: list[str]) -> None:
    look_at_host(EngineSpec(shared_host="allow"))
    assert warned == []


def test_a_port_that_is_closed_needs_no_word(warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_host, "can_close", lambda: True)
    look_at_host(EngineSpec(shared_host="refuse"))
    assert warned == []
