"""Texts that the warehouse would refuse: found in the write of the frame, rejected, cut or failed by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.files import source_of
from cloud_etl.domain.quality import CheckResult, OnFail, TooLong
from cloud_etl.domain.schema import ROW_ID, TextLimits
from cloud_etl.engines.marked_frame import MarkedFrame, column
from cloud_etl.quality.port import Rule
from cloud_etl.storage.parquet_footers import for_each, parquet_source

if TYPE_CHECKING:
    from pyspark.sql import Column

    from cloud_etl.domain.run import Batch
    from cloud_etl.domain.spec import ColumnSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import Fate, Written, WrittenFile

_ON_FAIL: Mapping[TooLong, OnFail] = {"reject": "reject", "cut": "warn", "fail": "fail"}
# A backslash that is not itself escaped, and u0000.
_NUL_IN_JSON = r"(^|[^\\])(\\\\)*\\u0000"
# A UTF-8 character has up to three bytes behind its first.
_MOST_FOLLOWING = 3


@dataclass(frozen=True, slots=True)
class LoadedTexts:
    """What the table of an output takes as a text; columns None stands for all of the frame."""

    columns: tuple[str, ...] | None
    limits: TextLimits

    def holds(self, name: str) -> bool:
        """Whether a column of the frame goes into the table."""
        return self.columns is None or name in self.columns


@dataclass(frozen=True, slots=True)
class TextRule:
    """One thing that the warehouse demands of a text."""

    rule: Rule
    policy: TooLong

    @property
    def fate(self) -> Fate:
        """What becomes of a row that fails; one that stops the run is in the quarantine too, to be found."""
        return self.rule.fate("cut" if self.policy == "cut" else "rejected")


class TextFit:
    """Keeps texts within what the warehouse takes. First `mark`, then the write, then `results`."""

    def __init__(self, contract: Mapping[str, ColumnSpec] | None = None, tables: Sequence[LoadedTexts] = ()) -> None:
        """Store the limits.

        Args:
            contract: says what becomes of a text that is too long, by column; without, its row is rejected.
            tables: those that have limits; without one nothing is looked at.
        """
        self._contract = contract or {}
        self._tables = tables
        self._rules: tuple[TextRule, ...] = ()

    def mark(self, frame: MarkedFrame) -> MarkedFrame:
        """Mark the rows with a text that the warehouse would refuse, and cut where the contract says so; lazy.

        A row whose text is cut in several columns counts for the first of them.
        """
        from pyspark.sql import functions as F

        limits = self._limits(frame)
        if not limits:
            return frame
        marks = [(F.octet_length(column(name)) > most, self._too_long(name, most)) for name, most in limits.items()] + [
            (self._holds_nul(name), _no_nul(name)) for name in limits
        ]
        marks.sort(key=lambda mark: mark[1].policy == "cut")
        self._rules = tuple(rule for _, rule in marks)
        marked = frame.mark_each([(condition, rule.fate) for condition, rule in marks])
        cuts = {
            name: F.when(marked.kept & (F.octet_length(column(name)) > most), _cut(column(name), most)).otherwise(
                column(name)
            )
            for name, most in limits.items()
            if self._policy(name) == "cut"
        }
        return marked.changed(marked.frame.withColumns(cuts), cuts) if cuts else marked

    def results(self, written: Written, batch: Batch) -> Iterator[CheckResult]:
        """One result for each rule that a row failed; says where the first of them was read, if it was not rejected."""
        rows = {step.step: step.rows for step in written.steps}
        for one in self._rules:
            label = one.rule.label
            failed = rows.get(label, 0)
            if not failed:
                continue
            message = f"{failed:,} {'row fails' if failed == 1 else 'rows fail'}, wanted: {one.rule.demand}"
            if one.policy == "cut":
                message = f"{failed:,} {'text was' if failed == 1 else 'texts were'} cut, wanted: {one.rule.demand}"
            if one.policy != "reject":
                files = [file for file in written.files if file.fate is not None and file.fate.step == label]
                message += _first(files, batch)
            yield CheckResult(
                label, "text", _ON_FAIL[one.policy], one.rule.columns, written.rows, failed, False, message
            )

    def _limits(self, frame: MarkedFrame) -> dict[str, int]:
        """Most bytes of each text column of the frame that goes into a table with limits."""
        texts = [name for name, kind in frame.frame.dtypes if kind == "string"] if self._tables else []
        found = {name: [table.limits.of(name) for table in self._tables if table.holds(name)] for name in texts}
        return {name: min(widths) for name, widths in found.items() if widths}

    def _policy(self, name: str) -> TooLong:
        return self._contract[name].too_long if name in self._contract else "reject"

    def _too_long(self, name: str, most: int) -> TextRule:
        demand = f"{name} with at most {most:,} bytes, which is what the warehouse holds"
        return TextRule(Rule(f"too_long.{name}", (name,), demand), self._policy(name))

    def _holds_nul(self, name: str) -> Column:
        from pyspark.sql import functions as F

        plain = F.contains(column(name), F.lit("\0"))
        is_json = name in self._contract and self._contract[name].type.kind == "json"
        return plain | column(name).rlike(_NUL_IN_JSON) if is_json else plain


def _no_nul(name: str) -> TextRule:
    demand = f"{name} without the character NUL, which the warehouse refuses"
    return TextRule(Rule(f"nul.{name}", (name,), demand), "reject")


def _cut(text: Column, most: int) -> Column:
    """The beginning of a text that is longer than so many bytes, up to the end of a character.

    By the digits of its bytes: to Sail `substring` means characters, also of what is encoded.
    """
    from pyspark.sql import functions as F

    digits = F.hex(text)

    def beginning(size: int) -> Column:
        return F.unhex(F.substring(digits, 1, 2 * size)).cast("string")

    cut = F.when(F.lit(False), text)
    for size in range(most, most - _MOST_FOLLOWING, -1):
        begins_character = ~F.substring(digits, 2 * size + 1, 2).between("80", "BF")
        cut = cut.when(begins_character, beginning(size))
    return cut.otherwise(beginning(most - _MOST_FOLLOWING))


def _first(files: Sequence[WrittenFile], batch: Batch) -> str:
    """Where the first of some rows was read; nothing where steps let go of it."""
    found = [row_id for row_id in for_each(_lowest_row_id, [file.path for file in files]) if row_id is not None]
    return f"; the first is in {source_of(min(found), batch.files)}" if found else ""


def _lowest_row_id(path: WorkPath) -> int | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with parquet_source(path) as source:
        lowest: int | None = pc.min(pq.read_table(source, columns=[ROW_ID]).column(0)).as_py()
    return lowest
