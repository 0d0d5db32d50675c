"""What a run is doing, drawn on a terminal: phase, files, rows, rows per second, a bar for each file under way."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cloud_etl.domain.printable import printable
from cloud_etl.monitoring.figures import number, plural, seconds, shortened, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

    from cloud_etl.domain.progress import Progress
    from cloud_etl.domain.run import Phase

MOST_BARS = 6
DRAWS_PER_SECOND = 10
_RATE_SECONDS = 3.0
# Between two looks at the files that a phase writes: there may be thousands.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FileState:
    """How far a file is."""

    key: str
    done_bytes: int
    size_bytes: int
    rows: int


@dataclass(slots=True)
class Written:
    """What a phase has added to files and folders.

    Attributes:
        looked: clock at the last look.
    """

    paths: Sequence[Path]
    looked: float
    files_before: int
    bytes_before: int
    files: int = 0
    size_bytes: int = 0

    @classmethod
    def since(cls, paths: Sequence[Path], now: float) -> Written:
        """What is there by now is not of the phase."""
        return cls(paths, now, *_found(paths))

    def look(self, now: float) -> None:
        """Look again, where the last look is a while ago."""
        if now - self.looked >= _LOOK_SECONDS:
            files, size_bytes = _found(self.paths)
            self.files, self.size_bytes = max(0, files - self.files_before), max(0, size_bytes - self.bytes_before)
            self.looked = now

    @property
    def facts(self) -> list[str]:
        """In words; nothing before something was written."""
        if not self.size_bytes:
            return []
        return [*([plural(self.files, "file")] if self.files else []), f"{size(self.size_bytes)} written"]


@dataclass(slots=True)
class PhaseState:
    """What is known of the phase under way.

    Attributes:
        started: clock at its beginning, in seconds.
        told: clock when rows were last told of.
        under_way: files that are not through, in the order in which they began.
        rows_by_file: the last count of each file; a file may tell its end more than once.
    """

    pipeline: str
    phase: Phase
    started: float
    files: int = 0
    size_bytes: int = 0
    done: set[str] = field(default_factory=set)
    under_way: dict[str, FileState] = field(default_factory=dict)
    rows_by_file: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    told: float = 0.0
    tables: tuple[int, int] = (0, 0)
    written: Written | None = None
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))


class Lane:
    """The progress of one pipeline: a `Progress` that notes what it is told, for the terminal to draw.

    Attributes:
        state: the phase under way; read with the lock held.
    """

    def __init__(self, clock: Callable[[], float], say: Callable[[Text], None], *, enabled: bool) -> None:
        """Store the clock, and what prints a line above the drawing; where it is off, each method returns at once."""
        self._on = enabled
        self._clock = clock
        self._say = say
        self.lock = threading.Lock()
        self.state: PhaseState | None = None

    def of(self, pipeline: str) -> AbstractContextManager[Progress]:
        """It is that of a pipeline already."""
        return nullcontext(self)

    def phase(self, pipeline: str, phase: Phase) -> None:
        """A pipeline enters a phase; the one before becomes a line above."""
        if self._on:
            self.end()
            with self.lock:
                self.state = PhaseState(pipeline, phase, self._clock())

    def files(self, count: int, size_bytes: int) -> None:
        """The phase will go through that many files; a second pass over them begins from zero."""
        with self.lock:
            if (state := self.state) is not None:
                state.files, state.size_bytes = count, size_bytes
                state.done.clear()
                state.under_way.clear()

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """A file is that far."""
        with self.lock:
            if (state := self.state) is None:
                return
            if (more := rows - state.rows_by_file.get(key, 0)) != 0:
                state.rows, state.told = state.rows + more, self._clock()
            state.rows_by_file[key] = rows
            if done_bytes >= size_bytes:
                state.under_way.pop(key, None)
                state.done.add(key)
            elif key not in state.done:
                state.under_way[key] = FileState(key, done_bytes, size_bytes, rows)

    def writes(self, paths: Sequence[Path]) -> None:
        """The phase writes there; the drawing looks now and then how much it is."""
        if self._on:
            written = Written.since(paths, self._clock())
            with self.lock:
                if self.state is not None:
                    self.state.written = written

    def tables(self, done: int, count: int) -> None:
        """So many tables are done."""
        with self.lock:
            if self.state is not None:
                self.state.tables = done, count

    def end(self, *, broken: bool = False) -> None:
        """The phase under way becomes a line above."""
        with self.lock:
            state, self.state = self.state, None
        if state is None:
            return
        from rich.text import Text

        # A pipeline that was refused ends its phase like any other: only an end by force is told apart here.
        sign, style = ("x", "red") if broken else (" ", "")
        facts = [plural(len(state.done), "file")] if state.done else []
        facts += [plural(state.rows, "row")] if state.rows else []
        facts.append(seconds(self._clock() - state.started))
        self._say(Text.assemble((sign, style), f" {state.pipeline} ", (state.phase, "bold"), f"  {', '.join(facts)}"))


class TerminalProgress(Lane):
    """A `Progress` that draws itself, with a lane for each pipeline under way.

    Drawing is the work of one thread, at most ten times a second; the methods only note what they are told.
    It is off where the console is no terminal (a pipe, cron, CI, TERM=dumb), so that no control code lands in a file.
    """

    def __init__(self, console: Console, *, enabled: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        """Store where to draw; `with` begins it."""
        on = enabled and console.is_terminal and not console.is_dumb_terminal and console.file.isatty()
        super().__init__(clock, self._print, enabled=on)
        self._console = console
        self._lanes: list[Lane] = [self]
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to draw, where it is on."""
        if self._on:
            from rich.live import Live

            self._live = Live(
                self, console=self._console, refresh_per_second=DRAWS_PER_SECOND, transient=True, redirect_stdout=False,
                redirect_stderr=False,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the drawing off and give the cursor back, also after an error or Ctrl-C."""
        if self._live is not None:
            self.end(broken=kind is not None)
            self._live.stop()
            self._live = None

    @contextmanager
    def of(self, pipeline: str) -> Iterator[Progress]:
        """A lane for one of several pipelines that run side by side."""
        lane = Lane(self._clock, self._print, enabled=self._on)
        with self.lock:
            self._lanes = [*self._lanes, lane]
        is_broken = True
        try:
            yield lane
            is_broken = False
        except Exception:
            is_broken = False
            raise
        finally:
            lane.end(broken=is_broken)
            with self.lock:
                self._lanes = [one for one in self._lanes if one is not lane]

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the phases under way; rich calls it from its own thread."""
        from rich.text import Text

        headings, files = [], []
        for lane in self._lanes:
            with lane.lock:
                if (state := lane.state) is None:
                    continue
                if state.written is not None:
                    state.written.look(self._clock())
                headings.append(self._heading(state))
                files.append(list(state.under_way.values()))
        # Lanes share the few lines of a terminal.
        most = max(1, MOST_BARS // max(1, len(headings)))
        for heading, under_way in zip(headings, files, strict=True):
            yield heading
            for bar in under_way[:most]:
                yield _bar(bar, options.max_width)
            if hidden := len(under_way[most:]):
                yield Text(f"  … and {plural(hidden, 'file')} more under way", style="dim")

    def _heading(self, state: PhaseState) -> Text:
        from rich.text import Text

        now = self._clock()
        facts = [f"{number(len(state.done))}/{number(state.files)} files"] if state.files else []
        if state.rows:
            state.samples.append((now, state.rows))
            while len(state.samples) > 2 and now - state.samples[0][0] > _RATE_SECONDS:
                state.samples.popleft()
            facts += [plural(state.rows, "row"), f"{number(_rate(state, now))} rows/s"]
        done, count = state.tables
        facts += [f"{number(done)}/{number(count)} tables"] if count else []
        facts += state.written.facts if state.written is not None else []
        facts.append(seconds(now - state.started))
        text = Text.assemble(("> ", "cyan"), f"{state.pipeline} ", (state.phase, "bold"), f"  {'  '.join(facts)}")
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _found(paths: Sequence[Path]) -> tuple[int, int]:
    """Files below these folders, and their bytes and those of these files; what goes away meanwhile is passed over."""
    files = size_bytes = 0
    folders: list[Path] = []
    for path in paths:
        with suppress(OSError):
            if path.is_dir():
                folders.append(path)
            else:
                size_bytes += path.stat().st_size
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    files, size_bytes = files + 1, size_bytes + entry.stat(follow_symlinks=False).st_size
    return files, size_bytes


def _rate(state: PhaseState, now: float) -> int:
    """Rows per second over the last seconds; over the phase while there is one sample, and after the last file."""
    if state.done and not state.under_way and len(state.done) >= state.files:
        # Rows are not told of any more, yet the phase goes on: it would look as if it had come to a halt.
        return round(state.rows / (state.told - state.started)) if state.told > state.started else 0
    then, rows = state.samples[0] if len(state.samples) > 1 else (state.started, 0)
    return round((state.rows - rows) / (now - then)) if now > then else 0


def _bar(file: FileState, width: int) -> Text:
    """One line: name, bar, share, rows; the name gives way on narrow terminals."""
    from rich.text import Text

    share = min(1.0, file.done_bytes / file.size_bytes)
    bar_width = max(8, min(30, width // 4))
    full = round(share * bar_width)
    tail = f" {share:4.0%} of {size(file.size_bytes)}  {plural(file.rows, 'row')}"
    name_width = max(8, min(60, width - bar_width - len(tail) - 5))
    name = shortened(printable(file.key), name_width)
    line = Text.assemble(
        f"  {name:<{name_width}} ", ("━" * full, "cyan"), ("─" * (bar_width - full), "bright_black"), (tail, "dim")
    )
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
