"""Run the steps of a batch on a second engine and compare what both wrote, before anything is published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloud_etl.domain.files import source_of
from cloud_etl.domain.schema import ROW_ID
from cloud_etl.errors import EnginesDifferError
from cloud_etl.pipeline.outputs import jobs, whole_frame_output
from cloud_etl.quality.gate import QualityGate
from cloud_etl.quality.port import GateContext
from cloud_etl.quality.texts import TextFit
from cloud_etl.storage.parquet_queries import ParquetQueries, parquet_queries, quoted
from cloud_etl.transform.transformer import DataTransformer

if TYPE_CHECKING:
    from cloud_etl.domain.resources import Resources
    from cloud_etl.domain.run import Batch
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame, Written, WrittenFile
    from cloud_etl.quality.texts import LoadedTexts
    from cloud_etl.transform.port import StepContext


@dataclass(frozen=True, slots=True)
class Made:
    """What an engine made of a batch: its frames on disk in the order of the barriers, then its outputs by name."""

    engine: str
    frames: tuple[Written, ...]
    outputs: dict[str, Written]


def make(name: str, spec: PipelineSpec, batch: Batch, context: StepContext, tables: Sequence[LoadedTexts] = ()) -> Made:
    """Take a batch through steps, checks and outputs on the engine of a context.

    Args:
        name: the engine, for messages.
        spec: the pipeline.
        batch: its staged files; they are read and left as they are.
        context: session and work folder of the engine; PySpark's functions must speak to it.
        tables: what the warehouse takes as a text.
    """
    transformed = DataTransformer(context).run(spec, batch)
    gate = QualityGate(
        spec.quality,
        GateContext(context.session, context.run, context.references, context.work),
        texts=TextFit(spec.schema_, tables),
    )
    frame = gate.mark(transformed.frame)
    whole = whole_frame_output(spec)
    written = frame.write(context.work / "frame", whole.partition_by if whole else ())
    return finished(name, (*transformed.earlier, written), frame, spec, context)


def finished(
    name: str, frames: tuple[Written, ...], frame: MarkedFrame, spec: PipelineSpec, context: StepContext
) -> Made:
    """The frames that an engine wrote, with the outputs made of the last."""
    made = jobs(spec, frame, frames[-1], context) if frames[-1].output else ()
    return Made(name, frames, {one.output.name: one.written for one in made if one.written is not frames[-1]})


def compare(one: Made, two: Made, batch: Batch, resources: Resources) -> None:
    """Make sure that two engines made the same tables: columns, types, values, nulls and the fate of every row.

    Raises:
        EnginesDifferError: they did not; says which columns, how many rows, and where the first of them was read.
    """
    pairs = [
        *((f"the rows before step {place}", *pair) for place, pair in enumerate(_earlier(one, two), start=1)),
        ("the rows", one.frames[-1], two.frames[-1]),
        *((f"output {name}", written, two.outputs[name]) for name, written in one.outputs.items()),
    ]
    with parquet_queries(resources) as queries:
        comparison = _Comparison(queries, batch)
        found = [line for what, left, right in pairs for line in comparison.differences(what, left, right)]
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise EnginesDifferError(
            f"{one.engine} and {two.engine} gave different tables:\n{lines}\n"
            "Nothing was published or loaded. docs/reference/engines.md lists what the engines do differently."
        )


def _earlier(one: Made, two: Made) -> Iterator[tuple[Written, Written]]:
    return zip(one.frames[:-1], two.frames[:-1], strict=True)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares written frames, fate by fate."""

    queries: ParquetQueries
    batch: Batch

    def differences(self, what: str, left: Written, right: Written) -> Iterator[str]:
        """One line for each fate whose rows differ."""
        mine, theirs = _by_fate(left), _by_fate(right)
        for fate in sorted({*mine, *theirs}):
            name = f"{what} {fate}" if fate else what
            files = mine.get(fate, []), theirs.get(fate, [])
            if not all(files):
                counts = [sum(file.rows for file in side) for side in files]
                yield f"{name}: {counts[0]:,} rows against {counts[1]:,}"
            else:
                yield from self._between(name, *(self._compared(self.queries.files(_paths(side))) for side in files))

    def _compared(self, side: str) -> str:
        """The rows of files; 0.0 and -0.0 are one value and all NaN are one, of which engines write either."""
        doubles = [quoted(name) for name, kind in self._types(side) if kind == "DOUBLE"]
        one = "CASE WHEN isnan({0}) THEN 'nan'::DOUBLE WHEN {0} = 0 THEN 0.0::DOUBLE ELSE {0} END AS {0}"
        return f"(SELECT * REPLACE ({', '.join(map(one.format, doubles))}) FROM {side})" if doubles else side

    def _between(self, what: str, left: str, right: str) -> Iterator[str]:
        types = [dict(self._types(side)) for side in (left, right)]
        if list(types[0].items()) != list(types[1].items()):
            names = [name for name in {**types[0], **types[1]} if types[0].get(name) != types[1].get(name)]
            shown = (f"{name} {types[0].get(name, 'missing')}/{types[1].get(name, 'missing')}" for name in names)
            yield f"{what}: the columns differ: {', '.join(shown) or 'their order'}"
            return
        only = [self._surplus(left, right), self._surplus(right, left)]
        if any(only):
            where = self._where(left, right, list(types[0])) if ROW_ID in types[0] else ""
            yield f"{what}: {only[0]:,} rows are in the first alone, {only[1]:,} in the second alone{where}"

    def _types(self, side: str) -> Iterator[tuple[str, str]]:
        for name, kind, *_ in self.queries.rows(f"DESCRIBE SELECT * FROM {side}"):
            yield str(name), str(kind)

    def _surplus(self, side: str, other: str) -> int:
        [(rows,)] = self.queries.rows(f"SELECT count(*) FROM (FROM {side} EXCEPT ALL FROM {other})")
        return int(str(rows))

    def _where(self, left: str, right: str, names: Sequence[str]) -> str:
        """Columns that differ and the place of the first such row; never a value."""
        values = [name for name in names if name != ROW_ID]
        unlike = [f"a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)}" for name in values]
        counts = ", ".join(f"count(*) FILTER ({test})" for test in unlike)
        first = f"min({ROW_ID}) FILTER ({' OR '.join(unlike)})"
        sql = f"SELECT {first}, {counts} FROM {left} a JOIN {right} b USING ({ROW_ID})"
        [(row_id, *rows)] = self.queries.rows(sql)
        if row_id is None:
            return ""
        columns = ", ".join(f"{name} ({found})" for name, found in zip(values, rows, strict=True) if found)
        return f"; in column {columns}; first in {source_of(int(str(row_id)), self.batch.files)}"


def _by_fate(written: Written) -> dict[str, list[WrittenFile]]:
    found: dict[str, list[WrittenFile]] = {}
    for file in written.files:
        if file.rows:
            found.setdefault(f"{file.fate.status} ({file.fate.reason})" if file.fate else "", []).append(file)
    return found


def _paths(files: Sequence[WrittenFile]) -> list[WorkPath]:
    return [file.path for file in files]


def beside(context: StepContext, folder: str) -> StepContext:
    """The same context with a work folder of its own."""
    work = context.work / folder
    work.mkdir()
    return replace(context, work=work)
