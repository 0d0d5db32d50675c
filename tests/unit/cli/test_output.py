"""Nothing that others wrote steers the terminal, whichever way it is printed."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from cloud_etl.cli.output import echo
from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.printable import laid_out, printable
from cloud_etl.errors import LeaseHeldError
from cloud_etl.monitoring.console import PlainConsole
from cloud_etl.state.lease import Lease
from cloud_etl.storage.folder_store import FolderStore

_SOURCE = Path(__file__).parents[3] / "src" / "cloud_etl"
HOSTILE = "a\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp\u2066x\u061c\r\x08\x00"
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def test_every_control_is_spelled_out() -> None:
    every = "".join(map(chr, range(0x2100)))
    assert not _STEERS.search(printable(every))
    assert not set(printable(every)) & set("\n\t")
    assert not _STEERS.search(laid_out(every))
    assert laid_out("a\n\tb") == "a\n\tb"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_printed_on_a_console_does_not_steer_it(terminal: bool) -> None:
    out = io.StringIO()
    console = PlainConsole(width=200)
    console.file, console._force_terminal = out, terminal
    table = Table("head" + HOSTILE)
    table.add_row(HOSTILE, style="red")
    console.print(HOSTILE, Text(HOSTILE), table, "[bold]x")
    own = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert not _STEERS.search(own)
    assert "a\\x1b[31mred" in own
    assert "[bold]x" in own


def test_an_echoed_message_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo(f"error:\n  {HOSTILE}", err=True)
    assert not _STEERS.search(capsys.readouterr().err)


def test_all_commands_print_by_these_ways() -> None:
    for path in [*(_SOURCE / "cli").rglob("*.py"), *(_SOURCE / "submit").rglob("*.py")]:
        text = path.read_text()
        assert path.name == "output.py" or "typer.echo(" not in text, path
        assert not re.search(r"(?<!Plain)Console\(", text), path
        assert not re.search(r"(?<![\w.])print\((?!laid_out)", text), path


def test_a_lease_of_another_neither_steers_nor_adds_a_line(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, S3Spec())
    far = datetime.now(UTC) + timedelta(days=1)
    with Lease(store, "sales", "run-1"):
        data = store.read("leases/sales.json").decode()
        changed = re.sub('"host": "[^"]*"', '"host": "x\\\\u001b[2J\\\\n2026 INFO done"', data)
        changed = re.sub('"expires_at": "[^"]*"', f'"expires_at": "{far.isoformat()}"', changed)
        store.write(
            "leases/sales.json", re.sub('"process_space": "[^"]*"', '"process_space": "other"', changed).encode()
        )
        with pytest.raises(LeaseHeldError) as raised, Lease(store, "sales", "run-2"):
            pass
    assert not _STEERS.search(str(raised.value))
    assert "\n" not in str(raised.value)
