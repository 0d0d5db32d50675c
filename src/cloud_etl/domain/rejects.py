"""Rejected records: their columns in the quarantine, and the stable codes that say why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Name, DuckDB type and Arrow type of each quarantine column, in order.
QUARANTINE_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("run_id", "VARCHAR", "string"),
    ("pipeline", "VARCHAR", "string"),
    ("source_uri", "VARCHAR", "string"),
    ("source_etag", "VARCHAR", "string"),
    ("line", "BIGINT", "int64"),
    ("byte_position", "BIGINT", "int64"),
    ("column", "VARCHAR", "string"),
    ("code", "VARCHAR", "string"),
    ("message", "VARCHAR", "string"),
    ("raw_text", "VARCHAR", "string"),
    ("raw_bytes", "BLOB", "binary"),
    ("stage", "VARCHAR", "string"),
    ("rejected_at", "TIMESTAMP", "timestamp[us]"),
)


class RejectCode(StrEnum):
    """Why the reader refused a record; the names are stable."""

    TOO_FEW_FIELDS = "too_few_fields"
    TOO_MANY_FIELDS = "too_many_fields"
    STRAY_QUOTE = "stray_quote"
    TEXT_AFTER_QUOTE = "text_after_quote"
    UNCLOSED_QUOTE = "unclosed_quote"
    AMBIGUOUS_QUOTE = "ambiguous_quote"
    BARE_CARRIAGE_RETURN = "bare_carriage_return"
    BAD_ESCAPE = "bad_escape"
    NUL_BYTE = "nul_byte"
    INVALID_ENCODING = "invalid_encoding"
    RECORD_TOO_LONG = "record_too_long"
    BAD_INTEGER = "bad_integer"
    OUT_OF_RANGE = "out_of_range"
    BAD_DECIMAL = "bad_decimal"
    DECIMAL_SCALE = "decimal_scale"
    BAD_DOUBLE = "bad_double"
    BAD_BOOLEAN = "bad_boolean"
    BAD_DATE = "bad_date"
    BAD_TIMESTAMP = "bad_timestamp"
    NONEXISTENT_TIME = "nonexistent_time"
    BAD_STRING = "bad_string"
    BAD_JSON = "bad_json"
    MISSING_VALUE = "missing_value"
    LOSSY_CAST = "lossy_cast"
    INVALID_JSON = "invalid_json"
    DUPLICATE_KEY = "duplicate_key"
    NOT_AN_OBJECT = "not_an_object"
    REPEATED_HEADER = "repeated_header"
    UNEXPECTED_COLUMN = "unexpected_column"
    MISSING_COLUMN = "missing_column"
    HEADER_MISMATCH = "header_mismatch"
    HEADER_NOT_FIRST = "header_not_first"
    DUPLICATE_HEADER = "duplicate_header"
    BAD_HEADER = "bad_header"
    SECOND_TABLE = "second_table"
    WRONG_ENCODING = "wrong_encoding"
    WRONG_COMPRESSION = "wrong_compression"
    NO_RECORD = "no_record"
    EXPANDS_TOO_FAR = "expands_too_far"
    TOO_MANY_REJECTS = "too_many_rejects"
    EXCEEDS_MEMORY = "exceeds_memory"
    CORRUPT_STREAM = "corrupt_stream"
    CORRUPT_FILE = "corrupt_file"
    UNREADABLE_COLUMN = "unreadable_column"
    ENCRYPTED_FILE = "encrypted_file"


@dataclass(frozen=True, slots=True)
class RejectHelp:
    """What a code means, and what a person can do about it.

    Attributes:
        whole_file: the cause lies in the file; each of its records (or what can be told apart of it) gets the code.
    """

    description: str
    remedy: str
    whole_file: bool = False


REJECT_HELP: dict[RejectCode, RejectHelp] = {
    RejectCode.TOO_FEW_FIELDS: RejectHelp(
        "The record has fewer fields than the header.", "Complete the record at its source, then replay it."
    ),
    RejectCode.TOO_MANY_FIELDS: RejectHelp(
        "The record has more fields than the header.", "Quote the field that holds the delimiter, then replay it."
    ),
    RejectCode.STRAY_QUOTE: RejectHelp(
        "A quote character stands inside a field that is not quoted.",
        "Quote the field and write the quote as csv.escape says, or set csv.quote to null.",
    ),
    RejectCode.TEXT_AFTER_QUOTE: RejectHelp(
        "Text follows a closing quote, where a delimiter or the end of the record must stand. "
        "Where a field is open at the line's end, each line is rejected up to the one at whose end quotes are even.",
        "Write quotes inside quoted fields as csv.escape says.",
    ),
    RejectCode.UNCLOSED_QUOTE: RejectHelp(
        "A quoted field is opened and never closed in a way that gives a full record; only string and json fields go "
        "over lines. Each line is rejected up to the one at whose end the quotes are even. Where no line is, and all "
        "lines below are records beyond doubt up to the end of the file, only the first is; where that end is further "
        "than csv.max_record_bytes, the rest of the file is one reject.",
        "Close the quote; a record that spans lines must fit csv.max_record_bytes.",
    ),
    RejectCode.AMBIGUOUS_QUOTE: RejectHelp(
        "A field spans lines that look like records of their own, so that it may be one record or several: the first "
        "and the last line do, if a quote in them is text (ditto marks, inches) or its partner is lost; or one between "
        "them, by a number, date, time or boolean; or, in lines of text only, all of them do. Each line is rejected. "
        "In a file of one column every line is a record: only a field between two lines of one quote each is told. "
        "Two stray opening quotes cost the sound lines between them as well: nothing in the file tells those from the "
        "text of one field. Sound texts over lines are rejected too where the contract has text columns only: of two "
        "columns 55% of the texts in which half of the lines hold a delimiter, of three 14%, of four or more 1%; "
        "with one typed column 0.3% at most.",
        "Decide which it is: remove the stray quotes, or the line ends inside the field. Declare the types that the "
        "columns have: a number, date, time or boolean tells records from texts.",
    ),
    RejectCode.BARE_CARRIAGE_RETURN: RejectHelp(
        "A line end of another kind than the file's stands outside of quotes.",
        "Use one kind of line end in the whole file, or quote the field.",
    ),
    RejectCode.BAD_ESCAPE: RejectHelp(
        "With csv.escape: backslash, a backslash stands before one of 0 b f n r t v Z N, of which writers make "
        "different things; or an escape character stands before the CR of a line end, or at the end of the file.",
        "Write a backslash that is text as two; add \\N to csv.null_words where it stands for a missing value.",
    ),
    RejectCode.NUL_BYTE: RejectHelp("The record holds a NUL byte.", "Remove it; if all records do, set the encoding."),
    RejectCode.INVALID_ENCODING: RejectHelp(
        "Bytes of the record are not text in the declared encoding; raw_bytes has them.",
        "Set the encoding of the file, or repair the record.",
    ),
    RejectCode.RECORD_TOO_LONG: RejectHelp(
        "The record is longer than max_record_bytes; raw_text has its beginning. It is one reject up to the line at "
        "whose end its quotes are even, and nothing in it is read.",
        "Raise max_record_bytes.",
    ),
    RejectCode.BAD_INTEGER: RejectHelp(
        "Not a whole number: an optional sign and digits.", "Correct the value, or declare decimal or string."
    ),
    RejectCode.OUT_OF_RANGE: RejectHelp(
        "A number that its type cannot hold.", "Declare a wider type: bigint, double, or a larger decimal."
    ),
    RejectCode.BAD_DECIMAL: RejectHelp(
        "Not a plain decimal number: optional sign, digits, optional point and digits; no exponent.",
        "Correct the value, or declare double or string.",
    ),
    RejectCode.DECIMAL_SCALE: RejectHelp(
        "More fraction digits than the decimal has, and not only zeros; it would be rounded.",
        "Declare a larger scale, or round at the source.",
    ),
    RejectCode.BAD_DOUBLE: RejectHelp(
        "Not a number: sign, digits, point, exponent, or exactly NaN, Infinity, -Infinity (any case, also inf).",
        "Correct the value.",
    ),
    RejectCode.BAD_BOOLEAN: RejectHelp(
        "None of true, false, t, f, yes, no, y, n, 1, 0 (any case).", "Correct the value, or declare string."
    ),
    RejectCode.BAD_DATE: RejectHelp(
        "Not a date as YYYY-MM-DD, or not in the column's format.", "Set the column's format, or correct the value."
    ),
    RejectCode.BAD_TIMESTAMP: RejectHelp(
        "Not a time as YYYY-MM-DD hh:mm:ss (blank or T, up to 6 fraction digits, offset optional), "
        "or not in the column's format.",
        "Set the column's format, or correct the value.",
    ),
    RejectCode.NONEXISTENT_TIME: RejectHelp(
        "A local time that the column's zone skips when clocks go forward.", "Give the offset, or correct the zone."
    ),
    RejectCode.BAD_STRING: RejectHelp(
        "A nested JSON value for a string column.", "Declare the column as json, or flatten it at the source."
    ),
    RejectCode.BAD_JSON: RejectHelp("Not a valid JSON text.", "Correct the value, or declare string."),
    RejectCode.MISSING_VALUE: RejectHelp(
        "A required column has no value.", "Complete the record, give the column a default, or drop `required`."
    ),
    RejectCode.LOSSY_CAST: RejectHelp(
        "A Parquet value that the declared type cannot hold without a change.", "Declare the type that the file has."
    ),
    RejectCode.INVALID_JSON: RejectHelp(
        "Not valid JSON (also: NaN and Infinity as numbers), or a comma too many or too few in an array. Where the end "
        "of an element is in doubt, the reject stands for it and the rest of the file.",
        "Correct the record; one object a line, or one array.",
    ),
    RejectCode.DUPLICATE_KEY: RejectHelp("A JSON object has a key twice.", "Keep one of the two at the source."),
    RejectCode.NOT_AN_OBJECT: RejectHelp("A JSON record that is no object.", "Wrap the value into an object."),
    RejectCode.REPEATED_HEADER: RejectHelp(
        "The header stands again right below the header; in a file of one column: anywhere below it.",
        "Remove the second header.",
    ),
    RejectCode.UNEXPECTED_COLUMN: RejectHelp(
        "The file, or the JSON record, has a column that the contract lacks, and new_columns is reject.",
        "Add the column to the schema, or set new_columns to ignore or evolve.",
        whole_file=True,
    ),
    RejectCode.MISSING_COLUMN: RejectHelp(
        "The file lacks a required column that has no default.",
        "Add rename_from if the column was renamed; else complete the file.",
        whole_file=True,
    ),
    RejectCode.HEADER_MISMATCH: RejectHelp(
        "The first record names none of the contract's columns.",
        "Check csv.delimiter, csv.quote, csv.encoding and csv.header.",
        whole_file=True,
    ),
    RejectCode.HEADER_NOT_FIRST: RejectHelp(
        "A line above the header: the header was found further down, and the records below it were read.",
        "Set csv.skip_lines to the number that the message gives.",
    ),
    RejectCode.DUPLICATE_HEADER: RejectHelp(
        "Two columns of the header have one name (or one contract column has two candidates).",
        "Give every column its own name.",
        whole_file=True,
    ),
    RejectCode.BAD_HEADER: RejectHelp(
        "The header cannot be read: stray quotes, undecodable bytes, too long, or a reserved or empty name to evolve.",
        "Correct the header, or set csv.damaged_header to by_position.",
        whole_file=True,
    ),
    RejectCode.SECOND_TABLE: RejectHelp(
        "Another table begins inside the file: at a repeated header, or below a blank line at records of another width "
        "or at a header of its own: names where numbers stand above, over rows that hold other things than the first "
        "records. Its records and all below are rejected.",
        "Split the file: one table, one file.",
        whole_file=True,
    ),
    RejectCode.WRONG_ENCODING: RejectHelp(
        "The file begins with the byte order mark of another encoding than the declared one.",
        "Set the encoding, for example utf-16.",
        whole_file=True,
    ),
    RejectCode.WRONG_COMPRESSION: RejectHelp(
        "The file is packed in another way than its name or source.compression says: a gzip file named .csv, or plain "
        "text named .gz. Nothing of it was staged. It counts as one record.",
        "Rename it, or set source.compression, as the message says; then deliver it again.",
        whole_file=True,
    ),
    RejectCode.NO_RECORD: RejectHelp(
        "The file has bytes that hold neither a header nor a record: only skipped lines, comments and blank lines, or "
        "none at all. It counts as one record.",
        "Check csv.skip_lines, csv.comment and csv.quote, or deliver the file again; an export without rows keeps its "
        "header, or is [] in JSON.",
        whole_file=True,
    ),
    RejectCode.EXPANDS_TOO_FAR: RejectHelp(
        "The file unpacks to more than source.limits allows, in bytes or in bytes for each stored byte. Reading "
        "stopped there, and nothing of the file was staged. It counts as one record.",
        "Look at the file. If it is sound, raise source.limits.expanded or source.limits.ratio, or deliver it unpacked "
        "or in parts.",
        whole_file=True,
    ),
    RejectCode.TOO_MANY_REJECTS: RejectHelp(
        "More records of the file were refused than source.limits.rejects allows; the message has their codes. Reading "
        "stopped there, and nothing of the file was staged. It counts as one record.",
        "Mend what the codes tell, at the source or in the contract, and deliver the file again; or raise "
        "source.limits.rejects.",
        whole_file=True,
    ),
    RejectCode.EXCEEDS_MEMORY: RejectHelp(
        "A column of the Parquet file cannot be decoded in the reader's share of engine.memory, not even row by row; "
        "the message names it, with the sizes that its pages declare. Nothing of the file was staged. It counts as one "
        "record.",
        "Write smaller pages, shorter lists or shorter values; or raise engine.memory.",
        whole_file=True,
    ),
    RejectCode.CORRUPT_STREAM: RejectHelp(
        "The compressed stream is cut or damaged; nothing of the file was staged. It counts as one record.",
        "Deliver the file again.",
        whole_file=True,
    ),
    RejectCode.CORRUPT_FILE: RejectHelp(
        "The file is not the declared format, or is damaged; nothing of it was staged. It counts as one record.",
        "Deliver the file again.",
        whole_file=True,
    ),
    RejectCode.UNREADABLE_COLUMN: RejectHelp(
        "A column of the Parquet file is of a type that no type of the contract can hold; the message names both.",
        "Write the column in another type, or take it out of the contract.",
        whole_file=True,
    ),
    RejectCode.ENCRYPTED_FILE: RejectHelp(
        "The Parquet file, or some of its columns, is encrypted; nothing of it was staged. It counts as one record.",
        "Deliver the file without encryption; keys are not taken.",
        whole_file=True,
    ),
}


def reject_codes_page() -> str:
    """The reference page of the codes, in Markdown."""
    lines = [
        "# Reject codes",
        "",
        "Every record that the reader refuses is one row in the quarantine, with one of these codes.",
        "A record with several faults has the code of its first faulty column; the message names all of them.",
        "",
    ]
    for title, whole_file in (("Of one record", False), ("Of a whole file", True)):
        lines += [f"## {title}", "", "| code | meaning | what to do |", "|---|---|---|"]
        for code, entry in REJECT_HELP.items():
            if entry.whole_file is whole_file:
                lines.append(f"| `{code}` | {entry.description} | {entry.remedy} |")
        lines.append("")
    lines += ["## Columns of the quarantine", "", "| column | type |", "|---|---|"]
    lines += [f"| `{name}` | {duckdb_type} |" for name, duckdb_type, _ in QUARANTINE_COLUMNS]
    return "\n".join(lines) + "\n"
