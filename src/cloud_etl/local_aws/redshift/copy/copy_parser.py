"""COPY from its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cloud_etl.local_aws.redshift.copy.authorization import AuthorizationClauses
from cloud_etl.local_aws.redshift.copy.statement import Compression, CopyStatement, Format, RowFormat
from cloud_etl.local_aws.redshift.copy.tokens import Cursor, syntax_error, tokenize, unescaped
from cloud_etl.local_aws.redshift.port import RedshiftError

_FORMATS: dict[str, Format] = {
    "CSV": "CSV", "JSON": "JSON", "FIXEDWIDTH": "FIXEDWIDTH", "PARQUET": "PARQUET", "ORC": "ORC", "AVRO": "AVRO",
}  # fmt: skip
_COMPRESSIONS: dict[str, Compression] = {"GZIP": "GZIP", "ZSTD": "ZSTD", "BZIP2": "BZIP2", "LZOP": "LZOP"}
_SWITCHES = {
    "ESCAPE": "escape", "REMOVEQUOTES": "remove_quotes", "IGNOREBLANKLINES": "ignore_blank_lines",
    "EMPTYASNULL": "empty_as_null", "BLANKSASNULL": "blanks_as_null", "TRIMBLANKS": "trim_blanks",
    "TRUNCATECOLUMNS": "truncate_columns", "FILLRECORD": "fill_record", "ROUNDEC": "round_decimals",
    "ACCEPTANYDATE": "any_date",
}  # fmt: skip
_BOOLEANS = ("ON", "OFF", "TRUE", "FALSE")
_ENCODINGS = ("UTF8", "UTF16", "UTF16LE", "UTF16BE", "ISO88591")
_MOST_ERRORS = 100_000


def parse_copy(sql: str) -> CopyStatement:
    """Read a COPY statement.

    Raises:
        RedshiftError: it is not one, or asks for what Redshift refuses.
    """
    return _Parser(Cursor(tokenize(sql))).statement()


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._authorization = AuthorizationClauses()
        self._rows: dict[str, object] = {}
        self._options: dict[str, object] = {}
        self._format: Format | None = None
        self._written: list[str] = []

    def statement(self) -> CopyStatement:
        cursor = self._cursor
        cursor.expect("COPY")
        schema, table = None, cursor.name()
        if cursor.accept("."):
            schema, table = table, cursor.name()
        columns = cursor.names() if cursor.token.says("(") else ()
        cursor.expect("FROM")
        source = cursor.string()
        if not source.startswith("s3://"):
            raise RedshiftError(
                "Only Amazon S3 (s3://...) is supported as a source of COPY on this server.", sqlstate="0A000"
            )
        while not cursor.ended:
            self._clause()
        authorization = self._authorization.done()
        if not authorization.given:
            raise RedshiftError("No authorization was given for COPY: name an IAM_ROLE or CREDENTIALS.")
        base = CopyStatement(
            schema, table, columns, source, authorization, self._format or "TEXT",
            self._row_format(), written=tuple(self._written),
        )  # fmt: skip
        return replace(base, **self._options)  # type: ignore[arg-type]  # fields by their names

    def _row_format(self) -> RowFormat:
        defaults = RowFormat(delimiter="," if self._format == "CSV" else "|")
        return replace(defaults, **self._rows)  # type: ignore[arg-type]  # fields by their names

    def _clause(self) -> None:
        cursor = self._cursor
        if cursor.accept(",") or self._authorization.take(cursor):
            return
        if cursor.token.kind != "word":
            raise cursor.unexpected()
        word = cursor.token.text.upper()
        if word in _SWITCHES:
            self._rows[_SWITCHES[word]] = True
        elif word in _COMPRESSIONS:
            self._options["compression"] = _COMPRESSIONS[word]
        elif word in _FORMATS:
            self._set_format(_FORMATS[word])
            self._written.append(word)
            return
        elif word not in _OPTIONS:
            raise cursor.unexpected()
        cursor.take()
        self._written.append(word)
        if word in _OPTIONS:
            _OPTIONS[word](self)

    def _set_format(self, found: Format) -> None:
        cursor = self._cursor
        cursor.take()
        if self._format is not None:
            raise RedshiftError(f"{found} option is not compatible with {self._format}")
        self._format = found
        if found == "JSON":
            cursor.accept("AS")
            self._rows["json"] = cursor.string() if cursor.token.kind == "string" else "auto"
        elif found == "FIXEDWIDTH":
            cursor.accept("AS")
            self._rows["widths"] = fixed_widths(cursor.string())
        elif found == "AVRO":
            raise RedshiftError("FORMAT AVRO is not supported on this server.", sqlstate="0A000")

    def _format_option(self) -> None:
        self._written.pop()
        self._cursor.accept("AS")
        word = self._cursor.token.text.upper()
        if word not in _FORMATS and word != "DELIMITER":
            raise self._cursor.unexpected()

    def _text(self, key: str, default: str = "") -> None:
        named = self._cursor.accept("AS")
        if self._cursor.token.kind == "string":
            self._rows[key] = unescaped(self._cursor.string())
        elif named or not default:
            raise self._cursor.unexpected()
        else:
            self._rows[key] = default

    def _delimiter(self) -> None:
        self._text("delimiter")
        if len(str(self._rows["delimiter"])) != 1:
            raise RedshiftError("COPY delimiter must be a single character")

    def _quote(self) -> None:
        self._text("quote")
        if len(str(self._rows["quote"])) != 1:
            raise RedshiftError("COPY quote must be a single ASCII character")

    def _invalid_characters(self) -> None:
        self._text("replace_invalid", "?")
        if len(str(self._rows["replace_invalid"])) != 1:
            raise RedshiftError("ACCEPTINVCHARS replacement must be a single ASCII character")

    def _encoding(self) -> None:
        self._cursor.accept("AS")
        token = self._cursor.take()
        name = token.text.upper().replace("-", "")
        if name not in _ENCODINGS:
            raise RedshiftError(f"Encoding {token.text} is not valid; valid are {', '.join(_ENCODINGS)}")
        self._rows["encoding"] = name

    def _ignore_header(self) -> None:
        self._cursor.accept("AS")
        self._rows["ignore_header"] = max(0, self._cursor.number())

    def _max_errors(self) -> None:
        self._cursor.accept("AS")
        number = self._cursor.number()
        if not 0 <= number <= _MOST_ERRORS:
            raise RedshiftError(f"MAXERROR must be between 0 and {_MOST_ERRORS}")
        self._options["max_errors"] = number

    def _region(self) -> None:
        self._cursor.accept("AS")
        self._options["region"] = self._cursor.string()

    def _flag(self, key: str, value: bool = True) -> None:
        self._options[key] = value

    def _manifest(self) -> None:
        self._flag("manifest")

    def _compression_update(self) -> None:
        self._cursor.accept("PRESET", *_BOOLEANS)

    def _statistics(self) -> None:
        self._cursor.accept(*_BOOLEANS)

    def _ignored_number(self) -> None:
        self._cursor.accept("AS")
        self._cursor.number()

    def _refused(self) -> None:
        raise RedshiftError(f"{self._written[-1]} is not supported by COPY on this server.", sqlstate="0A000")


def fixed_widths(text: str) -> tuple[tuple[str, int], ...]:
    """Labels and widths of FIXEDWIDTH 'label:3, other:10'."""
    found = []
    for part in text.split(","):
        label, _, width = part.strip().rpartition(":")
        if not width.strip().isdigit() or not label:
            raise syntax_error(f"invalid FIXEDWIDTH specification: {part.strip()[:30]!r} is not label:width")
        found.append((label.strip(), int(width)))
    return tuple(found)


_OPTIONS: dict[str, Callable[[_Parser], None]] = {
    "FORMAT": _Parser._format_option,
    "DELIMITER": _Parser._delimiter,
    "QUOTE": _Parser._quote,
    "NULL": lambda parser: parser._text("null_as"),
    "DATEFORMAT": lambda parser: parser._text("date_format"),
    "TIMEFORMAT": lambda parser: parser._text("time_format"),
    "ACCEPTINVCHARS": _Parser._invalid_characters,
    "ENCODING": _Parser._encoding,
    "IGNOREHEADER": _Parser._ignore_header,
    "MAXERROR": _Parser._max_errors,
    "IGNOREALLERRORS": lambda parser: parser._flag("ignore_all_errors"),
    "REGION": _Parser._region,
    "MANIFEST": _Parser._manifest,
    "NOLOAD": lambda parser: parser._flag("load", False),
    "EXPLICIT_IDS": lambda parser: parser._flag("explicit_ids"),
    "SERIALIZETOJSON": lambda parser: parser._flag("serialize_to_json"),
    "COMPUPDATE": _Parser._compression_update,
    "STATUPDATE": _Parser._statistics,
    "COMPROWS": _Parser._ignored_number,
    "READRATIO": _Parser._ignored_number,
    "ENCRYPTED": _Parser._refused,
    "SSH": _Parser._refused,
}
