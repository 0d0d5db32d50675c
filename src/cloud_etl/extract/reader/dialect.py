"""A CSV dialect in the form the reader works with: bytes, and the grammar of one field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cloud_etl.domain.spec import CsvOptions

LF = 10
CR = 13
# What a letter behind a backslash stands for differs between writers (MySQL, Hive, PostgreSQL, C), or is not said.
_LETTERS = rb"[0bfnrtvZN]"


@dataclass(frozen=True)
class Dialect:
    """How the decoded (UTF-8) text of a file is cut into records and fields.

    Attributes:
        cr_file: the file ends its lines with CR; CR and LF are swapped on the way in, so that LF ends lines here too.
    """

    options: CsvOptions
    cr_file: bool = False

    @staticmethod
    @lru_cache(maxsize=16)
    def of(options: CsvOptions, *, cr_file: bool = False) -> Dialect:
        """The dialect of all files that are written so; its patterns are compiled once."""
        return Dialect(options, cr_file)

    @cached_property
    def delimiter(self) -> bytes:
        """The delimiter in UTF-8."""
        return self.options.delimiter.encode()

    @cached_property
    def quote(self) -> bytes | None:
        """The quote character in UTF-8, or None."""
        return self.options.quote.encode() if self.options.quote else None

    @cached_property
    def escape(self) -> bytes | None:
        """The character that takes its meaning from the one behind it, or None."""
        if self.options.escape in ("doubled", "none"):
            return None
        return b"\\" if self.options.escape == "backslash" else self.options.escape.encode()

    @cached_property
    def comment(self) -> bytes | None:
        """What begins a comment line, or None."""
        return self.options.comment.encode() if self.options.comment else None

    @cached_property
    def max_record_bytes(self) -> int:
        """A longer record is rejected."""
        return self.options.max_record_bytes

    @cached_property
    def simple(self) -> bool:
        """Whether the vectorised pass can prove lines with quotes: single bytes, no trimming."""
        single = len(self.delimiter) == 1 and (self.quote is None or len(self.quote) == 1)
        return single and not self.options.trim

    @cached_property
    def null_words(self) -> frozenset[bytes]:
        """Unquoted texts that stand for a missing value."""
        return frozenset(word.encode() for word in self.options.null_words)

    @cached_property
    def field(self) -> re.Pattern[bytes]:
        """A field and what ends it: groups quoted, unquoted, end. Possessive, so linear on any input."""
        body, line_end = self._body_and_line_end
        return re.compile(body + rb"(" + re.escape(self.delimiter) + rb"|" + line_end + rb")", re.DOTALL)

    def record(self, width: int) -> re.Pattern[bytes]:
        """A record of that many fields: two groups for each field as in `field`, and its line end."""
        if width not in self._records:
            body, line_end = self._body_and_line_end
            fields = re.escape(self.delimiter).join([body] * width)
            self._records[width] = re.compile(fields + rb"(" + line_end + rb")", re.DOTALL)
        return self._records[width]

    @cached_property
    def _records(self) -> dict[int, re.Pattern[bytes]]:
        return {}

    @cached_property
    def _body_and_line_end(self) -> tuple[bytes, bytes]:
        quoted = rb"(?!)()" if self.quote is None else self._quoted
        return rb"(?:" + quoted + rb"|(" + self._unquoted + rb"))", rb"\n" if self.cr_file else rb"\r?\n"

    @cached_property
    def _unquoted(self) -> bytes:
        stops = [stop for stop in (self.delimiter, self.quote, self.escape) if stop is not None]
        short = b"".join(stop for stop in stops if len(stop) == 1)
        long = rb"|".join(re.escape(stop) for stop in stops if len(stop) > 1)
        char = rb"[^\r\n" + re.escape(short) + rb"]"
        if self.escape is None and not long:
            return char + rb"*+"
        char = rb"(?!" + long + rb")" + char if long else char
        return rb"(?:" + (rb"" if self.escape is None else re.escape(self.escape) + rb".|") + char + rb")*+"

    @cached_property
    def bare_field(self) -> re.Pattern[bytes]:
        """A field on one line up to its delimiter or the line's end, quotes taken as text."""
        escaped = b"" if self.escape is None else re.escape(self.escape) + rb".|"
        return re.compile(rb"(?:" + escaped + rb"(?!" + re.escape(self.delimiter) + rb").)*+", re.DOTALL)

    @cached_property
    def unquoted_text(self) -> re.Pattern[bytes]:
        """The text of an unquoted field, as far as the grammar takes it."""
        return re.compile(self._unquoted, re.DOTALL)

    @cached_property
    def marks_inside(self) -> re.Pattern[bytes]:
        """What counts inside quotes: an escaped character, a quote."""
        return re.compile(rb"|".join([*self._marks, rb"(?!)"]), re.DOTALL)

    @cached_property
    def marks_outside(self) -> re.Pattern[bytes]:
        """What counts outside of quotes: an escaped character, a quote, a delimiter, a line end."""
        return re.compile(rb"|".join([*self._marks, re.escape(self.delimiter), rb"\n"]), re.DOTALL)

    @property
    def _marks(self) -> list[bytes]:
        escaped = [] if self.escape is None else [re.escape(self.escape) + rb"."]
        return escaped if self.quote is None else [*escaped, re.escape(self.quote)]

    @cached_property
    def quoted_field(self) -> re.Pattern[bytes]:
        """A quoted field from its opening to its closing quote, whatever follows; None of it without quotes."""
        return re.compile(self._quoted, re.DOTALL)

    @cached_property
    def _quoted(self) -> bytes:
        quote = re.escape(self.quote or b"")
        other = rb"[^" + quote + rb"]" if len(self.quote or b"") == 1 else rb"(?:(?!" + quote + rb").)"
        if self.escape is not None:
            escape = re.escape(self.escape)
            body = rb"(?:" + escape + rb".|(?!" + escape + rb")" + other + rb")*+"
        elif self.options.escape == "doubled":
            body = rb"(?:" + other + rb"++|" + quote + quote + rb")*+"
        else:
            body = other + rb"*+"
        return quote + rb"(" + body + rb")" + quote

    def value(self, quoted: bytes | None, unquoted: bytes | None) -> bytes | None:
        """The value of a field from its two groups; None where an unquoted text is a null word."""
        if quoted is None:
            text = unquoted or b""
            if self.options.trim:
                text = text.strip(b" \t")
            return None if text in self.null_words else self._unescape(text)
        if self.options.escape == "doubled":
            return quoted.replace((self.quote or b"") * 2, self.quote or b"")
        return self._unescape(quoted)

    def _unescape(self, body: bytes) -> bytes:
        return body if self.escape is None or self.escape not in body else self._escaped.sub(rb"\1", body)

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        marks = {self.escape or b"", self.quote or b"\n", b"\n", b"\r"}
        marks.update(char.encode() for char in self.options.delimiter)
        return re.compile(re.escape(self.escape or b"") + rb"(" + rb"|".join(map(re.escape, sorted(marks))) + rb")")

    def is_unclear(self, quoted: bytes | None, unquoted: bytes | None) -> bool:
        """Whether a backslash in a field stands before a letter that other readers would make something else of."""
        text = quoted if quoted is not None else unquoted or b""
        if self.escape != b"\\" or b"\\" not in text or (quoted is None and self.value(None, unquoted) is None):
            return False
        return self._unclear.match(text) is not None

    @cached_property
    def _unclear(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:[^\\]|\\(?!" + _LETTERS + rb").)*+\\", re.DOTALL)
