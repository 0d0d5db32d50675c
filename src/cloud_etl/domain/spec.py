"""What a person writes: the project and its pipelines, as frozen models that refuse unknown keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cloud_etl.domain.limits import LimitsSpec
from cloud_etl.domain.quality import OnFail, TooLong
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec_model import SpecModel

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CsvOptions(SpecModel):
    """How a CSV file is written."""

    delimiter: str = Field(",", min_length=1, max_length=8, description="One or more characters between two fields.")
    quote: str | None = Field('"', max_length=1, description="Quote character; null for files without quoting.")
    escape: Literal["doubled", "backslash", "none"] | Annotated[str, Field(pattern=r"^[!-/:-@\[-`{-~]$")] = Field(
        "doubled",
        description="How a quote stands inside a quoted field: twice, behind a backslash, not at all, or behind "
        "another character, such as '\"' where quote is \"'\". The backslash, or that character, escapes delimiters, "
        "line ends and itself as well, inside quotes and outside.",
    )
    header: bool = Field(True, description="Whether the first record names the columns.")
    damaged_header: Literal["refuse", "by_position"] = Field(
        "refuse",
        description="What becomes of a file whose header does not fit the contract: all of it is refused, or its "
        "columns are taken in the contract's order, with a note in the report. That needs a header with the contract's "
        "names in their order (delimiters and quotes may be lost or too many), or as many names, half of them at their "
        "place and none at another's; and more than half of the first 20 lines with as many fields, of their types.",
    )
    encoding: str = Field("utf-8", description="Any Python codec: utf-8, utf-8-sig, utf-16, latin-1, cp1252 ...")
    comment: str | None = Field(
        None, min_length=1, max_length=8, description="Lines that begin with it are no records."
    )
    skip_lines: int = Field(0, ge=0, description="Leading lines before the header, whichever way they end.")
    null_words: tuple[str, ...] = Field(("",), description="Unquoted texts that stand for a missing value.")
    trim: bool = Field(False, description="Cut blanks around unquoted text fields.")
    max_record_bytes: int = Field(1 << 20, ge=1024, description="A record longer than this is rejected.")


class JsonOptions(SpecModel):
    """How a JSON file is written."""

    layout: Literal["auto", "lines", "array"] = Field(
        "auto", description="One object a line, or one array of objects, also over several lines (pretty-printed)."
    )
    encoding: str = Field("utf-8", description="Any Python codec.")
    max_record_bytes: int = Field(1 << 24, ge=1024, description="A record longer than this is rejected.")


class SourceSpec(SpecModel):
    """Where a pipeline's raw files are and how they are written."""

    path: str = Field(description="Folder below the environment's store, or an absolute s3:// or file:// url.")
    pattern: str = Field("*", description="Glob on the path below the folder; ** crosses folders.")
    format: Literal["csv", "json", "parquet"] = Field(description="csv, json (lines or array) or parquet.")
    compression: Literal["auto", "none", "gz", "zst", "bz2"] = Field(
        "auto", description="auto goes by the file's ending."
    )
    csv: CsvOptions = Field(default_factory=CsvOptions, description="Dialect of the CSV files.")
    json_: JsonOptions = Field(default_factory=JsonOptions, alias="json", description="Dialect of the JSON files.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="Bounds for each of the files.")
    include_hidden: bool = Field(False, description="Take keys with a part that begins with . or _.")


# What ColumnType.parse takes, for editors.
TYPE_PATTERN = (
    r"^\s*(string|integer|bigint|double|boolean|date|timestamp|json|decimal\(\s*\d{1,2}\s*,\s*\d{1,2}\s*\))\s*$"
)


SHARE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"


def _column_type(value: object) -> object:
    return ColumnType.parse(value) if isinstance(value, str) else value


TypeField = Annotated[
    ColumnType, BeforeValidator(_column_type, json_schema_input_type=Annotated[str, Field(pattern=TYPE_PATTERN)])
]


class ColumnSpec(SpecModel):
    """The contract of one column."""

    type: TypeField = Field(
        description="string, integer, bigint, double, decimal(p,s), boolean, date, timestamp, json."
    )
    required: bool = Field(False, description="A record without a value here is rejected.")
    default: str | int | float | bool | None = Field(None, description="Taken where the value is missing.")
    format: str | None = Field(
        None,
        description="strptime format of dates and timestamps; ISO 8601 without. A text must be what the format writes: "
        "%m takes 01 and %-m takes 1; %f takes 1 to 6 digits; names of months in any case; %y is 1969 to 2068. "
        "It names one day, once, and of the time no part without the larger ones; what is smaller than it says is 0.",
    )
    too_long: TooLong = Field(
        "reject",
        description="What becomes of a row whose text is longer than the warehouse holds (Redshift: 65,535 bytes): it "
        "is rejected, its text is cut at a character and counted, or the run fails.",
    )
    zone: str = Field("UTC", description="Zone of timestamps that carry none; all are stored in UTC.")
    rename_from: str | tuple[str, ...] | None = Field(None, description="Name of the column in the file.")

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names under which the column may stand in a file, beside its own."""
        if self.rename_from is None:
            return ()
        return (self.rename_from,) if isinstance(self.rename_from, str) else self.rename_from


def _column(value: object) -> object:
    """`column: type` is short for `column: {type: type}`."""
    return ColumnSpec(type=ColumnType.parse(value)) if isinstance(value, str) else value


ColumnField = Annotated[
    ColumnSpec,
    BeforeValidator(_column, json_schema_input_type=ColumnSpec | Annotated[str, Field(pattern=TYPE_PATTERN)]),
]


class Family(SpecModel):
    """A model found by the key it stands under: `- drop_nulls: [a]` is the step whose kind is drop_nulls.

    A subclass with a `kind` registers itself with its family; `wrap` names the field that takes a short form
    (a list, a text or a mapping) which is not the model's own mapping.
    """

    kind: ClassVar[str] = ""
    wrap: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[Family]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the subclass under its kind."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.kind:
            cls.registry[cls.kind] = cls

    @classmethod
    def read(cls, value: object) -> object:
        """Turn `{kind: body}` into the model of that kind; the wrong shape is a ValueError."""
        if isinstance(value, Family):
            return value
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError(f"write one of {', '.join(sorted(cls.registry))} with its settings")
        kind, body = next(iter(value.items()))
        model = cls.registry.get(str(kind))
        if model is None:
            from cloud_etl.domain.hints import did_you_mean

            raise ValueError(
                f"unknown {cls.__name__.removesuffix('Spec').lower()} {kind!r}{did_you_mean(str(kind), cls.registry)}"
            )
        return model.model_validate({model.wrap: body} if model.wrap else body)


class StepSpec(Family):
    """A step of `transform`."""

    registry: ClassVar[dict[str, type[Family]]] = {}

    @property
    def label(self) -> str:
        """Name of the step in the ledger and in messages."""
        return self.kind


class CheckSpec(Family):
    """A check of `quality.checks`."""

    registry: ClassVar[dict[str, type[Family]]] = {}
    on_fail: OnFail = Field("reject", description="reject the row, warn, or fail the run.")
    name: str | None = Field(None, description="Name in the report; made of kind and columns without.")

    @property
    def label(self) -> str:
        """Stable name of the check in ledger, quarantine and report."""
        return self.name or self.kind

    @property
    def labels(self) -> tuple[str, ...]:
        """All names the check reports under; not_null of two columns has two."""
        return (self.label,)


def _share(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(SHARE_PATTERN, value, re.ASCII):
        raise ValueError("write a number of records such as 100, or a share such as 5%")
    return float(value.strip().removesuffix("%")) / 100


class Limits(SpecModel):
    """Thresholds that stop a run before anything is published."""

    score_below: float | None = Field(None, ge=0, le=100, description="Lowest DataQualityScore that may be published.")
    rejected_above: (
        Annotated[
            float | int,
            BeforeValidator(_share, json_schema_input_type=float | int | Annotated[str, Field(pattern=SHARE_PATTERN)]),
        ]
        | None
    ) = Field(None, ge=0, description="Most rejected rows: a number, or a share such as 5%.")


class QualitySpec(SpecModel):
    """Checks, thresholds and the profile."""

    checks: tuple[Annotated[CheckSpec, BeforeValidator(CheckSpec.read)], ...] = Field((), description="The checks.")
    fail_when: Limits = Field(default_factory=Limits, description="Thresholds for the whole batch.")
    profile_rows: int = Field(
        1_000_000, ge=0, description="Rows looked at for distinct, mean and top values; 0 is all."
    )

    @field_validator("checks")
    @classmethod
    def _distinct_labels(cls, checks: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
        labels = [label for check in checks for label in check.labels]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two checks are called {twice[0]!r}: give one of them a name")
        return checks


class AggregateSpec(SpecModel):
    """Rows folded into groups."""

    group_by: tuple[str, ...] = Field(description="Columns of the groups.")
    metrics: Mapping[str, str] = Field(min_length=1, description="New column: aggregate expression in Spark SQL.")


Encoding = Literal[
    "auto", "raw", "az64", "bytedict", "delta", "delta32k", "lzo", "mostly8", "mostly16", "mostly32", "runlength",
    "text255", "text32k", "zstd",
]  # fmt: skip


# Schema of the load ledger in every warehouse.
BOOKKEEPING = "cloud_etl"


class LoadSpec(SpecModel):
    """The warehouse table an output goes into."""

    table: str = Field(description="schema.table")
    mode: Literal["append", "replace", "upsert", "scd2"] = Field(
        "append", description="How rows meet those already there."
    )
    keys: tuple[str, ...] = Field((), description="Business key; needed by upsert and scd2.")
    on_schema_change: Literal["evolve", "fail"] = Field("evolve", description="Add and widen columns, or stop.")
    distkey: str | None = Field(None, description="Redshift distribution key; other warehouses ignore it.")
    diststyle: Literal["auto", "even", "all", "key"] | None = Field(
        None, description="Redshift distribution style; auto, or key where there is a distkey, without."
    )
    sortkey: tuple[str, ...] = Field((), description="Redshift sort key; other warehouses ignore it.")
    sortstyle: Literal["compound", "interleaved"] = Field("compound", description="Style of the Redshift sort key.")
    encode: Mapping[str, Encoding] = Field(
        default_factory=dict, description="Redshift compression by column; Redshift chooses without."
    )
    comment: str | None = Field(None, description="Comment on the table, written when it is made.")
    comments: Mapping[str, str] = Field(default_factory=dict, description="Comments by column.")

    @field_validator("table")
    @classmethod
    def _qualified(cls, value: str) -> str:
        if value.count(".") != 1 or not all(value.split(".")):
            raise ValueError("write the table as schema.table")
        if value.split(".")[0].lower() == BOOKKEEPING:
            raise ValueError(f"schema {BOOKKEEPING} holds what cloud-etl itself remembers of loads; choose another")
        return value

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        if self.mode in ("upsert", "scd2") and not self.keys:
            raise ValueError(f"mode {self.mode} needs keys: the columns that make a row the same row")
        return self

    @model_validator(mode="after")
    def _laid_out(self) -> Self:
        if self.diststyle == "key" and not self.distkey:
            raise ValueError("diststyle key needs distkey: the column whose values decide where a row lies")
        if self.distkey and self.diststyle not in (None, "key"):
            raise ValueError(f"distkey goes with diststyle key, not {self.diststyle}; leave one of the two out")
        most = 8 if self.sortstyle == "interleaved" else 400
        if len(self.sortkey) > most:
            raise ValueError(f"sortstyle {self.sortstyle} takes at most {most} columns in sortkey")
        return self

    @field_validator("comment", "comments")
    @classmethod
    def _plain(cls, value: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
        texts = value.values() if isinstance(value, Mapping) else [value or ""]
        # DDL takes no bound values, and warehouses do not agree on what a backslash means.
        if any("\\" in text or "\0" in text for text in texts):
            raise ValueError("comments hold no backslash and no NUL")
        return value


# Each publication of a `replace` output is the whole table; the older ones are there to go back to.
_WHOLE_TABLES_KEPT = 3


class OutputSpec(SpecModel):
    """A published data set."""

    name: str = Field(description="Name of the folder below processed-data.")
    columns: tuple[str, ...] = Field((), description="Columns published; all without.")
    partition_by: tuple[str, ...] = Field((), description="Columns that make the folders.")
    aggregate: AggregateSpec | None = Field(None, description="Fold the rows before publishing.")
    load: LoadSpec | None = Field(None, description="The warehouse table; published only, without.")
    keep_runs: int | None = Field(
        None,
        ge=1,
        description="Newest published runs kept; older ones are removed after a load, and what is published is then a "
        "transfer area and not the table. Without: all of them, so that together they hold every row that was loaded; "
        "3 where the load mode is replace, as each of those is the whole table.",
    )

    fold_publications: int = Field(
        24,
        ge=2,
        description="After so many publications the oldest are folded into one, which readers take in their place; so "
        "are those in turn. Only where all runs are kept.",
    )

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not IDENTIFIER.fullmatch(value):
            raise ValueError("letters, digits and _ only: the name becomes a folder")
        return value

    @property
    def fold_after(self) -> int | None:
        """How many publications are folded into one; None where they are not."""
        # Of scd2 a reader takes every version, in the order of their publications.
        has_versions = self.load is not None and self.load.mode == "scd2"
        return self.fold_publications if self.runs_kept is None and not has_versions else None

    @property
    def runs_kept(self) -> int | None:
        """How many complete publications are kept; None for all."""
        whole = self.load is not None and self.load.mode == "replace"
        return self.keep_runs or (_WHOLE_TABLES_KEPT if whole else None)


class PipelineSpec(SpecModel):
    """One pipeline file."""

    pipeline: str = Field(description="Name of the pipeline.")
    tags: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], ...] = Field(
        (), description="Words by which it is selected: `cloud-etl run --select tag:WORD`."
    )
    source: SourceSpec = Field(description="Where the raw files are.")
    schema_: Mapping[str, ColumnField] = Field(
        alias="schema", min_length=1, description="The contract, column by column: `column: type`, or with more keys."
    )
    new_columns: Literal["reject", "ignore", "evolve"] = Field(
        "reject",
        description="Columns of a file that the contract lacks: refuse the file, drop them, or take them as string.",
    )
    transform: tuple[Annotated[StepSpec, BeforeValidator(StepSpec.read)], ...] = Field(
        (), description="The steps, in order."
    )
    quality: QualitySpec = Field(default_factory=QualitySpec, description="Checks and thresholds.")
    outputs: tuple[OutputSpec, ...] = Field(min_length=1, description="What is published and loaded.")

    @field_validator("pipeline")
    @classmethod
    def _named(cls, value: str) -> str:
        if not IDENTIFIER.fullmatch(value):
            raise ValueError("letters, digits and _ only: the name becomes a folder")
        return value
