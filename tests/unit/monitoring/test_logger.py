from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from cloud_etl.domain.environment import LogSpec
from cloud_etl.errors import TargetError
from cloud_etl.monitoring.log_lines import LineFormatter
from cloud_etl.monitoring.logger import LogTargets, RunLog, bound_pipeline, get_logger, start_logging
from cloud_etl.monitoring.redaction import Redactor

log = get_logger()
CANARIES = ("cAnArY-7f/3:x?9#q@z", "quo\"te'd cAnArY\\", "-----cAnArY\nsecond cAnArY line")


class Channels:
    """The console and the file of one log."""

    def __init__(self, folder: Path, spec: LogSpec, secrets: tuple[str, ...] = ()) -> None:
        self.screen = io.StringIO()
        console = Console(file=self.screen, width=80)
        self.log = start_logging(spec, folder, "run-1", LogTargets(console), lambda: secrets)

    def read(self) -> tuple[str, str]:
        assert self.log.path is not None
        return self.screen.getvalue(), self.log.path.read_text()


@contextmanager
def logging_to(folder: Path, *, secrets: tuple[str, ...] = (), **spec: str) -> Iterator[Channels]:
    channels = Channels(folder, LogSpec.model_validate(spec), secrets)
    with channels.log:
        yield channels


def test_each_line_has_time_level_run_and_event_on_console_and_in_the_file(tmp_path: Path) -> None:
    with logging_to(tmp_path) as channels:
        log.info("load.copied", table="analytics.sales_fact", rows=12345, note="two words")
        with bound_pipeline("sales_data"):
            log.warning("quality.low")
    for text in channels.read():
        first, second = text.splitlines()
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    run-1 -  "
            r'load\.copied table=analytics\.sales_fact rows=12345 note="two words"',
            first,
        )
        assert second.endswith("WARNING run-1 sales_data  quality.low")


def test_the_file_is_named_after_the_second_and_two_runs_never_share_one(tmp_path: Path) -> None:
    logs = [start_logging(LogSpec(), tmp_path, f"run-{number}") for number in range(5)]
    for one in logs:
        one.stop()
    names = {one.path.name for one in logs if one.path}
    assert len(names) == 5
    assert all(re.fullmatch(r"ETLPipeline_\d{8}_\d{6}\.log", name) for name in names)
    assert {path.name for path in (tmp_path / "logs").iterdir()} == names


def test_json_writes_one_object_a_line_on_both_channels(tmp_path: Path) -> None:
    with logging_to(tmp_path, format="json") as channels:
        log.info("load.copied", rows=5, unknown=None, files=("a", "b"), share=0.5, level="mine", text="a\u2028b\nc")
        log.info("extract.listed", pipeline="sales_data", rows=0)
    for text in channels.read():
        first, second = (json.loads(line) for line in text.splitlines())
        assert first["run_id"] == "run-1" and first["level"] == "info" and first["event"] == "load.copied"
        assert first["rows"] == 5 and first["unknown"] is None and first["files"] == ["a", "b"]
        assert first["text"] == "a\u2028b\nc"
        assert second["pipeline"] == "sales_data" and second["rows"] == 0


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    with logging_to(tmp_path, level="warning") as channels:
        log.info("not.this")
        log.debug("nor.this")
        log.error("but.this")
    assert [line.split()[-1] for line in channels.read()[1].splitlines()] == ["but.this"]


def test_the_console_may_have_a_level_of_its_own(tmp_path: Path) -> None:
    screen = io.StringIO()
    targets = LogTargets(Console(file=screen), console_level="warning")
    with start_logging(LogSpec(level="debug"), tmp_path, "run-1", targets) as opened:
        log.debug("for.the.file")
        log.warning("for.both")
    assert "for.the.file" not in screen.getvalue() and "for.both" in screen.getvalue()
    assert opened.path is not None and "for.the.file" in opened.path.read_text()


@pytest.mark.filterwarnings("always::UserWarning")
def test_other_libraries_are_heard_from_warning_on(tmp_path: Path) -> None:
    with logging_to(tmp_path, level="debug") as channels:
        logging.getLogger("botocore.endpoint").info("quiet")
        logging.getLogger("urllib3.connectionpool").warning("Retrying (%s) after %r", 3, "reset")
        warnings.warn("soon gone", UserWarning, stacklevel=1)
    text = channels.read()[1]
    assert "Retrying (3) after 'reset' logger=urllib3.connectionpool" in text
    assert "soon gone" in text and "quiet" not in text


def test_a_broken_log_call_of_another_library_is_written_as_it_stands() -> None:
    record = logging.LogRecord("py4j", logging.ERROR, __file__, 1, "broken %d format", ("x",), None)
    line = LineFormatter("run-1", Redactor(), as_json=False).format(record)
    assert line.endswith("run-1 -  broken %d format logger=py4j")


def test_no_line_of_a_traceback_is_without_the_run_id(tmp_path: Path) -> None:
    with logging_to(tmp_path) as channels:
        _fail_with("the reason")
    lines = channels.read()[1].splitlines()
    assert len(lines) > 5 and all(" run-1 " in line for line in lines)
    assert sum("a note on the reason" in line for line in lines) == 2


def _fail_with(text: str) -> None:
    try:
        try:
            raise ValueError(text)
        except ValueError as exc:
            error = KeyError({"url": f"postgres://etl:{text}@host/db"})
            error.add_note(f"a note on {text}")
            group = ExceptionGroup(f"several: {text}", [error])
            group.add_note(f"a note on {text}")
            raise group from exc
    except ExceptionGroup:
        log.exception("run.crashed", step=text)


def _log_everywhere(canary: str) -> None:
    log.info(f"event {canary}")
    log.info("field", value=canary, nested={"list": [canary, {canary: 1}]}, argv=["--password", canary])
    log.warning("object", shown=Path(f"/tmp/{canary}"), error=ValueError(canary), raw=canary.encode())
    _fail_with(canary)
    logging.getLogger("botocore").warning("request %s to %s", {"auth": canary}, canary)
    logging.getLogger("urllib3").warning("line %r", canary)
    warnings.warn(f"with {canary}", UserWarning, stacklevel=1)
    with bound_pipeline("sales_data"):
        log.error("load.failed", dsn=f"postgres://etl:{canary}@host:5439/db?x={canary}")


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize("canary", CANARIES)
def test_a_known_secret_reaches_no_channel(tmp_path: Path, canary: str, format_: str) -> None:
    with logging_to(tmp_path, format=format_, secrets=(canary,)) as channels:
        _log_everywhere(canary)
    for text in channels.read():
        assert "run.crashed" in text and "load.failed" in text
        assert "cAnArY" not in text
        if format_ == "json":
            assert all(json.loads(line)["run_id"] == "run-1" for line in text.splitlines())


@pytest.mark.parametrize("format_", ["text", "json"])
def test_an_unknown_password_in_a_url_reaches_no_channel(tmp_path: Path, format_: str) -> None:
    with logging_to(tmp_path, format=format_) as channels:
        _fail_with(CANARIES[0].join(("postgres://etl:", "@host/db")))
        log.info("config", settings={"password": CANARIES[0]}, line=f"token={CANARIES[0]}")
    assert all("cAnArY" not in text for text in channels.read())


def test_a_host_that_listens_gets_redacted_lines_too(tmp_path: Path) -> None:
    stream = io.StringIO()
    host = logging.StreamHandler(stream)
    logging.getLogger().addHandler(host)
    try:
        with start_logging(LogSpec(), tmp_path, "run-1", secrets=lambda: {"cAnArY 1"}):
            log.warning("with %s cAnArY 1", value="cAnArY 1")
            _fail_with("cAnArY 1")
    finally:
        logging.getLogger().removeHandler(host)
    assert stream.getvalue().splitlines()[0] == "with %s ***"
    assert "cAnArY" not in stream.getvalue()


def test_no_value_can_pass_for_another_line_or_steer_the_terminal(tmp_path: Path) -> None:
    with logging_to(tmp_path) as channels:
        log.info("file.taken", key="a.csv\n2026-01-01T00:00:00.000Z ERROR   run-1 -  forged")
        log.info("event \x1b[2J\r\x85 end")
    for text in channels.read():
        assert len(text.splitlines()) == 2
        assert "\x1b" not in text and "\\x1b[2J\\x0d" in text


def test_logging_is_found_again_as_it_was(tmp_path: Path) -> None:
    root, own = logging.getLogger(), logging.getLogger("cloud_etl")
    before = (list(root.handlers), root.level, list(own.handlers), own.level, warnings.showwarning)
    first = start_logging(LogSpec(level="debug"), tmp_path, "run-1")
    second = start_logging(LogSpec(level="error"), tmp_path, "run-2")
    assert own.level == logging.DEBUG
    first.stop()
    assert own.level == logging.ERROR
    second.stop()
    second.stop()
    assert (list(root.handlers), root.level, list(own.handlers), own.level, warnings.showwarning) == before


def test_two_runs_in_one_process_do_not_write_into_each_other(tmp_path: Path) -> None:
    barrier = threading.Barrier(2)
    logs: dict[str, RunLog] = {}

    def run(run_id: str) -> None:
        with start_logging(LogSpec(), tmp_path, run_id) as opened:
            logs[run_id] = opened
            barrier.wait()
            log.info("from", which=run_id)
            barrier.wait()

    threads = [threading.Thread(target=run, args=(run_id,)) for run_id in ("run-a", "run-b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run_id, opened in logs.items():
        assert opened.path is not None
        (line,) = opened.path.read_text().splitlines()
        assert f" {run_id} " in line and line.endswith(f"which={run_id}")


def test_without_a_file_nothing_is_made(tmp_path: Path) -> None:
    with start_logging(LogSpec(), tmp_path, "run-1", LogTargets(file=False)) as opened:
        log.error("unheard")
    assert opened.path is None and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder belongs")
    with pytest.raises(TargetError, match=r"Nothing was run.*log\.folder"):
        start_logging(LogSpec(), tmp_path, "run-1")
    assert logging.getLogger("cloud_etl").level == logging.NOTSET


def test_a_full_disk_does_not_stop_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, f"No space left on device: {text}")

    with start_logging(LogSpec(), tmp_path, "run-1") as opened:
        (handler,) = [one for one in logging.getLogger().handlers if one in opened.handlers]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(Full()).close()
        log.info("first", password="cAnArY")
        log.info("second")
    assert capsys.readouterr().err == "cloud-etl: the log cannot be written any more (OSError); the run goes on\n"


def test_the_library_prints_nothing_and_loads_nothing_until_someone_listens() -> None:
    code = (
        "import sys; from cloud_etl.monitoring.logger import get_logger; log = get_logger()\n"
        "log.info('a'); log.error('b')\n"
        "assert not {'structlog', 'rich'} & set(sys.modules), 'loaded too early'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_path_of_the_log_is_whole_where_the_project_was_opened_by_a_relative_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with start_logging(LogSpec(), Path(), "run-1") as opened:
        assert opened.path is not None and opened.path.is_absolute()
