"""A COPY or UNLOAD statement as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Format = Literal["TEXT", "CSV", "JSON", "FIXEDWIDTH", "PARQUET", "ORC", "AVRO"]
Compression = Literal["", "GZIP", "ZSTD", "BZIP2", "LZOP"]
COLUMNAR = ("PARQUET", "ORC")


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who reads or writes S3: roles (a chain, or `default`), or keys; all empty where nothing was said."""

    roles: tuple[str, ...] = ()
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)

    @property
    def given(self) -> bool:
        """Whether the statement names a role or keys."""
        return bool(self.roles or self.access_key_id)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How a text file is written, and what to do with what is in it."""

    delimiter: str = "|"
    quote: str = '"'
    escape: bool = False
    remove_quotes: bool = False
    ignore_header: int = 0
    ignore_blank_lines: bool = False
    encoding: str = "UTF8"
    null_as: str = "\\N"
    empty_as_null: bool = False
    blanks_as_null: bool = False
    trim_blanks: bool = False
    truncate_columns: bool = False
    fill_record: bool = False
    round_decimals: bool = False
    any_date: bool = False
    replace_invalid: str | None = None
    date_format: str | None = None
    time_format: str | None = None
    widths: tuple[tuple[str, int], ...] = ()
    json: str = "auto"


@dataclass(frozen=True, slots=True)
class CopyStatement:
    """COPY table FROM 's3://...'.

    Attributes:
        columns: the column list, empty where there is none.
        source: as written after FROM.
        written: key words of the options, in their order, for the checks of columnar formats.
    """

    schema: str | None
    table: str
    columns: tuple[str, ...]
    source: str
    authorization: Authorization
    format: Format
    rows: RowFormat
    compression: Compression = ""
    manifest: bool = False
    region: str | None = None
    max_errors: int = 0
    ignore_all_errors: bool = False
    load: bool = True
    explicit_ids: bool = False
    serialize_to_json: bool = False
    written: tuple[str, ...] = ()

    @property
    def columnar(self) -> bool:
        """Whether the files are read column by column, by position and as a whole."""
        return self.format in COLUMNAR


@dataclass(frozen=True, slots=True)
class UnloadStatement:
    """UNLOAD ('query') TO 's3://...'.

    Attributes:
        max_file_bytes: size at which a new file is begun.
        partition_by: columns that make the folders; left out of the files unless `include`.
    """

    query: str
    target: str
    authorization: Authorization
    format: Format = "TEXT"
    delimiter: str = "|"
    null_as: str = ""
    header: bool = False
    add_quotes: bool = False
    escape: bool = False
    widths: tuple[tuple[str, int], ...] = ()
    compression: Compression = ""
    manifest: bool = False
    verbose: bool = False
    parallel: bool = True
    max_file_bytes: int = 6_200_000_000
    row_group_bytes: int = 32 << 20
    partition_by: tuple[str, ...] = ()
    include: bool = False
    allow_overwrite: bool = False
    clean_path: bool = False
    extension: str | None = None
    region: str | None = None
