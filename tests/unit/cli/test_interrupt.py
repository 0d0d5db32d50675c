"""Ctrl-C at a moment when no run is under way."""

from __future__ import annotations

import pytest
import typer

from cloud_etl.cli import app as commands
from cloud_etl.cli import main


def test_ctrl_c_before_a_run_begins_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def waits() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "app", app)
    monkeypatch.setattr("sys.argv", ["cloud-etl"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 130
    assert capsys.readouterr().err == "interrupted; no run was under way\n"
