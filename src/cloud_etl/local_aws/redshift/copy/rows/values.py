"""Texts of one column as values of its type; quickly where all are plain, one by one where any is not."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.local_aws.redshift.copy.binary import arrow_type
from cloud_etl.local_aws.redshift.copy.rows import dates
from cloud_etl.local_aws.redshift.copy.rows.records import Field
from cloud_etl.local_aws.redshift.copy.statement import RowFormat
from cloud_etl.local_aws.redshift.copy.table import TableColumn

_BITS = {"int2": (15, "Short"), "int4": (31, "Integer"), "int8": (63, "Long")}
_TRUE, _FALSE = ("t", "true", "y", "yes", "1"), ("f", "false", "n", "no", "0")
_PLAIN = {
    "int2": r"^-?\d{1,4}$", "int4": r"^-?\d{1,9}$", "int8": r"^-?\d{1,18}$",
    "float8": r"^-?\d+(\.\d+)?([eE][+-]?\d{1,2})?$", "float4": r"^-?\d+(\.\d+)?$", "numeric": r"^-?\d+(\.\d+)?$",
    "date": r"^\d{4}-\d{2}-\d{2}$", "timestamp": r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?$",
}  # fmt: skip
_MOST_SUPER_STRING = 65_535
_EXACT = Context(prec=76)


class ValueFault(ValueError):  # noqa: N818  it is kept beside the record, not raised to a caller
    """Why a value cannot be loaded, in Redshift's code and words."""

    def __init__(self, code: int, reason: str) -> None:
        """Store code and reason."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Reads one column of a statement."""

    column: TableColumn
    rows: RowFormat

    def read(self, texts: Sequence[Field]) -> tuple[pa.Array, dict[int, ValueFault]]:
        """Values, null where one is wrong, and what is wrong by place."""
        if self.column.type == "super":
            return self._one_by_one(texts)
        quick = self._quick(texts)
        if quick is not None and not (self.column.not_null and quick.null_count):
            return quick, {}
        return self._one_by_one([self._or_null(text) for text in texts])

    def _or_null(self, text: Field) -> Field:
        if text is None or text == self.rows.null_as:
            return None
        if not self.column.is_text:
            return text.strip() or None
        if not text:
            return None if self.rows.empty_as_null else text
        return None if self.rows.blanks_as_null and text.isspace() else text

    def _quick(self, texts: Sequence[Field]) -> pa.Array | None:
        """All values by kernels of Arrow; None where any text is not of the plainest form."""
        kind = self.column.type
        pattern = _PLAIN.get(kind)
        formatted = (kind == "date" and self.rows.date_format) or (kind == "timestamp" and self.rows.time_format)
        if formatted or not (pattern or self.column.is_text):
            return None
        try:
            array = self._nulled(pa.array(texts, pa.string()))
            if self.column.is_text:
                return self._quick_text(array)
            if not pc.all(pc.match_substring_regex(array, pattern), min_count=0).as_py():
                return None
            return array.cast(arrow_type(self.column))
        except (pa.ArrowInvalid, UnicodeEncodeError):
            return None

    def _nulled(self, array: pa.Array) -> pa.Array:
        """What `_or_null` does, for a whole column."""
        null = pc.equal(array, self.rows.null_as)
        if not self.column.is_text:
            array = pc.utf8_trim_whitespace(array)
        if not self.column.is_text or self.rows.empty_as_null:
            null = pc.or_(null, pc.equal(array, ""))
        if self.column.is_text and self.rows.blanks_as_null:
            null = pc.or_(null, pc.utf8_is_space(array))
        return pc.if_else(null, None, array)

    def _quick_text(self, array: pa.Array) -> pa.Array | None:
        if self.column.type == "char" or self.rows.trim_blanks:
            return None
        fits = (pc.max(pc.binary_length(array)).as_py() or 0) <= self.column.width
        return array if fits and not pc.any(pc.match_substring(array, "\0")).as_py() else None

    def _one_by_one(self, texts: Sequence[Field]) -> tuple[pa.Array, dict[int, ValueFault]]:
        values: list[object] = []
        faults: dict[int, ValueFault] = {}
        for place, text in enumerate(texts):
            try:
                values.append(self._value(text))
            except ValueFault as fault:
                faults[place] = fault
                values.append(None)
        return pa.array(values, arrow_type(self.column)), faults

    def _value(self, text: Field) -> object:
        if text is None:
            if self.column.not_null:
                raise ValueFault(1213, "Missing data for not-null field")
            return None
        kind = self.column.type
        if self.column.is_text:
            return self._text(text)
        if kind in _BITS:
            return _integer(text, *_BITS[kind])
        if kind in ("float4", "float8"):
            return _float(text)
        return {
            "numeric": self._numeric, "bool": _boolean, "date": self._date, "timestamp": self._timestamp,
            "timestamptz": self._timestamp, "time": _time, "super": self._super, "varbyte": _bytes,
        }[kind](text)  # fmt: skip

    def _text(self, text: str) -> str:
        text = self._valid(text)
        if self.rows.trim_blanks and self.column.type == "varchar":
            text = text.rstrip(" ")
        size = text.encode()
        if len(size) <= self.column.width:
            return text
        if self.rows.truncate_columns:
            return size[: self.column.width].decode("utf-8", "ignore")
        if self.column.type == "char":
            if len(text.rstrip(" ").encode()) <= self.column.width:
                return text.rstrip(" ")
            raise ValueFault(1204, "Char length exceeds DDL length")
        raise ValueFault(1204, "String length exceeds DDL length")

    def _valid(self, text: str) -> str:
        wrong = [letter for letter in text if "\udc80" <= letter <= "\udcff" or letter == "\0"]
        if wrong and self.rows.replace_invalid is not None:
            return "".join(self.rows.replace_invalid if letter in wrong else letter for letter in text)
        if self.column.type == "char" and not text.isascii():
            shown = " ".join(f"{byte:02x}" for byte in text.encode("utf-8", "surrogateescape") if byte > 127)
            raise ValueFault(
                1220, f"Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char: {shown}"
            )
        if wrong:
            shown = " ".join(f"{ord(letter) & 0xFF:02x}" for letter in wrong[:4])
            raise ValueFault(
                1220,
                f"String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: {shown} (error 3)",
            )
        return text

    def _numeric(self, text: str) -> Decimal:
        try:
            number = Decimal(text)
            if not number.is_finite():
                raise ValueFault(1207, f"Invalid digit, Value '{text[:1]}', Pos 0, Type: Decimal")
            rounding = ROUND_HALF_UP if self.rows.round_decimals else ROUND_DOWN
            number = number.quantize(Decimal(1).scaleb(-self.column.scale), rounding, _EXACT)
        except InvalidOperation as exc:
            raise _invalid_digit(text, "Decimal", "+-.eE") from exc
        if number.copy_abs() >= Decimal(10) ** (self.column.precision - self.column.scale):
            raise ValueFault(
                1204, f"Overflow for NUMERIC({self.column.precision},{self.column.scale})"
            )  # fmt: skip
        return number

    def _date(self, text: str) -> object:
        try:
            return dates.parse_date(text, self.rows.date_format)
        except dates.FormatError as exc:
            if self.rows.any_date:
                return None
            if self.rows.date_format is None and len(text) < len(dates.DEFAULT_DATE):
                raise ValueFault(1205, "Invalid Date Format - length must be 10 or more") from exc
            shown = self.rows.date_format or dates.DEFAULT_DATE
            raise ValueFault(1205, f"Invalid date format or value [{shown}]") from exc

    def _timestamp(self, text: str) -> object:
        zoned = self.column.type == "timestamptz"
        try:
            return dates.parse_timestamp(text, self.rows.time_format, zoned=zoned)
        except dates.FormatError as exc:
            if self.rows.any_date:
                return None
            shown = self.rows.time_format or "YYYY-MM-DD HH24:MI:SS"
            raise ValueFault(1206, f"Invalid timestamp format or value [{shown}]") from exc

    def _super(self, text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            if text[:1] in ("{", "["):
                raise ValueFault(1224, "Invalid JSON format: input data not well formed for SUPER type") from None
            # Text that is no JSON is a string; so is what a JSON file gives for a string.
            value, text = text, json.dumps(text, ensure_ascii=False)
        if isinstance(value, str) and len(value.encode("utf-8", "replace")) > _MOST_SUPER_STRING:
            raise ValueFault(1224, f"String value exceeds the max size of {_MOST_SUPER_STRING} bytes")
        return text


def _integer(text: str, bits: int, name: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise _invalid_digit(text, name, "+-")
    number = int(text)
    if not -(1 << bits) <= number < 1 << bits:
        raise ValueFault(1204, f"Overflow, Column type: {name}")
    return number


def _float(text: str) -> float:
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError as exc:
        fault = _invalid_digit(text, "Double", "+-.eE")
        raise ValueFault(1208, fault.reason) from exc


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueFault(1210, "Unknown boolean format")


def _time(text: str) -> object:
    try:
        return dates.parse_timestamp(text, "HH:MI:SS", zoned=False).time()
    except dates.FormatError as exc:
        raise ValueFault(1206, "Invalid time format or value [HH24:MI:SS]") from exc


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as exc:
        raise ValueFault(1219, "UTF-8 hexadecimal contains an invalid digit") from exc


def _invalid_digit(text: str, name: str, allowed: str) -> ValueFault:
    place = next((at for at, letter in enumerate(text) if not letter.isdigit() and letter not in allowed), 0)
    # As long as Redshift shows it; a reason is stored, and must not repeat a whole value.
    return ValueFault(1207, f"Invalid digit, Value '{text[place : place + 1]}', Pos {place}, Type: {name}")
