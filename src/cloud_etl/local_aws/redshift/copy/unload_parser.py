"""UNLOAD from its text."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from cloud_etl.local_aws.redshift.copy.authorization import AuthorizationClauses
from cloud_etl.local_aws.redshift.copy.copy_parser import fixed_widths
from cloud_etl.local_aws.redshift.copy.statement import UnloadStatement
from cloud_etl.local_aws.redshift.copy.tokens import Cursor, syntax_error, tokenize, unescaped
from cloud_etl.local_aws.redshift.port import RedshiftError

_FORMATS = ("CSV", "JSON", "PARQUET")
_COMPRESSIONS = ("GZIP", "ZSTD", "BZIP2")
_SWITCHES = {
    "HEADER": "header", "ADDQUOTES": "add_quotes", "ESCAPE": "escape", "ALLOWOVERWRITE": "allow_overwrite",
    "CLEANPATH": "clean_path",
}  # fmt: skip
_UNITS = {"MB": 1 << 20, "GB": 1 << 30}
_LEAST_FILE, _MOST_FILE = 5 << 20, int(Decimal("6.2") * (1 << 30))


def parse_unload(sql: str) -> UnloadStatement:
    """Read an UNLOAD statement.

    Raises:
        RedshiftError: it is not one, or asks for what Redshift refuses.
    """
    return _Parser(Cursor(tokenize(sql))).statement()


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._authorization = AuthorizationClauses()
        self._options: dict[str, object] = {}

    def statement(self) -> UnloadStatement:
        cursor = self._cursor
        cursor.expect("UNLOAD")
        cursor.expect("(")
        query = cursor.string().strip().rstrip(";")
        cursor.expect(")")
        cursor.expect("TO")
        target = cursor.string()
        if not target.startswith("s3://"):
            raise RedshiftError("UNLOAD destination is not supported. (Hint: only S3 based unload is allowed)")
        while not cursor.ended:
            self._clause()
        authorization = self._authorization.done()
        if not authorization.given:
            raise RedshiftError("No authorization was given for UNLOAD: name an IAM_ROLE or CREDENTIALS.")
        given = frozenset(self._options)
        if self._options.get("format") == "CSV":
            self._options.setdefault("delimiter", ",")
        statement = UnloadStatement(query, target, authorization, **self._options)  # type: ignore[arg-type]  # by name
        _check(statement, given)
        return statement

    def _clause(self) -> None:
        cursor = self._cursor
        if cursor.accept(",") or self._authorization.take(cursor):
            return
        if cursor.token.kind != "word":
            raise cursor.unexpected()
        word = cursor.token.text.upper()
        if word in _FORMATS:
            self._options["format"] = word
        elif word in _COMPRESSIONS:
            self._options["compression"] = word
        elif word in _SWITCHES:
            self._options[_SWITCHES[word]] = True
        elif word not in _OPTIONS:
            raise cursor.unexpected()
        cursor.take()
        if word in _OPTIONS:
            _OPTIONS[word](self)

    def _format(self) -> None:
        self._cursor.accept("AS")
        if not self._cursor.token.says(*_FORMATS):
            raise self._cursor.unexpected()

    def _text(self, key: str) -> None:
        self._cursor.accept("AS")
        self._options[key] = unescaped(self._cursor.string())

    def _fixed_width(self) -> None:
        self._cursor.accept("AS")
        self._options |= {"format": "FIXEDWIDTH", "widths": fixed_widths(self._cursor.string())}

    def _manifest(self) -> None:
        self._options["manifest"] = True
        self._options["verbose"] = self._cursor.accept("VERBOSE")

    def _parallel(self) -> None:
        self._cursor.accept("AS")
        self._options["parallel"] = not self._cursor.accept("OFF", "FALSE")
        if self._options["parallel"]:
            self._cursor.accept("ON", "TRUE")

    def _partition(self) -> None:
        self._cursor.expect("BY")
        self._options["partition_by"] = self._cursor.names()
        self._options["include"] = self._cursor.accept("INCLUDE")

    def _size(self, key: str, least: int, most: int) -> None:
        self._cursor.accept("AS")
        if self._cursor.token.kind != "number":
            raise self._cursor.unexpected()
        number, unit = Decimal(self._cursor.take().text), "MB"
        if self._cursor.token.text.upper() in _UNITS:
            unit = self._cursor.take().text.upper()
        size = int(number * _UNITS[unit])
        if not least <= size <= most:
            raise RedshiftError(f"{key.upper()} must be between {least >> 20} MB and {most >> 20} MB")
        self._options["row_group_bytes" if key == "rowgroupsize" else "max_file_bytes"] = size


def _check(statement: UnloadStatement, given: frozenset[str]) -> None:
    """Options that Redshift does not take together."""
    if statement.format == "PARQUET":
        _exclude("PARQUET", given, "delimiter", "header", "add_quotes", "escape", "null_as", "compression")
    elif statement.format == "JSON":
        _exclude("JSON", given, "delimiter", "header", "add_quotes", "escape", "null_as")
    elif statement.format == "CSV":
        _exclude("CSV", given, "add_quotes", "escape")
    elif statement.format == "FIXEDWIDTH":
        _exclude("FIXEDWIDTH", given, "delimiter", "header", "add_quotes", "escape")
    if statement.allow_overwrite and statement.clean_path:
        raise RedshiftError("ALLOWOVERWRITE and CLEANPATH cannot be used together")
    if "row_group_bytes" in given and statement.format != "PARQUET":
        raise RedshiftError("ROWGROUPSIZE option can only be used with FORMAT PARQUET")
    if len(statement.delimiter) != 1:
        raise syntax_error("UNLOAD delimiter must be a single character")


def _exclude(name: str, given: frozenset[str], *options: str) -> None:
    spelled = {"add_quotes": "ADDQUOTES", "null_as": "NULL AS", "compression": "Compression"}
    for option in options:
        if option in given:
            shown = spelled.get(option, option.upper())
            raise RedshiftError(f"{shown} option is not supported for UNLOAD to {name}", sqlstate="0A000")


_OPTIONS: dict[str, Callable[[_Parser], None]] = {
    "FORMAT": _Parser._format,
    "DELIMITER": lambda parser: parser._text("delimiter"),
    "NULL": lambda parser: parser._text("null_as"),
    "EXTENSION": lambda parser: parser._text("extension"),
    "REGION": lambda parser: parser._text("region"),
    "FIXEDWIDTH": _Parser._fixed_width,
    "MANIFEST": _Parser._manifest,
    "PARALLEL": _Parser._parallel,
    "PARTITION": _Parser._partition,
    "MAXFILESIZE": lambda parser: parser._size("maxfilesize", _LEAST_FILE, _MOST_FILE),
    "ROWGROUPSIZE": lambda parser: parser._size("rowgroupsize", 32 << 20, 128 << 20),
}
