"""A CSV dialect in the form the reader works with: bytes, and the grammar of one field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cloud_etl.domain.spec import CsvOptions

LF = 10
CR = 13


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
        stops = [stop for stop in (self.delimiter, self.quote) if stop is not None]
        short = b"".join(stop for stop in stops if len(stop) == 1)
        long = rb"|".join(re.escape(stop) for stop in stops if len(stop) > 1)
        char = rb"[^\r\n" + re.escape(short) + rb"]"
        unquoted = rb"(?:(?!" + long + rb")" + char + rb")*+" if long else char + rb"*+"
        quoted = rb"(?!)()" if self.quote is None else self._quoted
        return rb"(?:" + quoted + rb"|(" + unquoted + rb"))", rb"\n" if self.cr_file else rb"\r?\n"

    @cached_property
    def quoted_field(self) -> re.Pattern[bytes]:
        """A quoted field from its opening to its closing quote, whatever follows; None of it without quotes."""
        return re.compile(self._quoted, re.DOTALL)

    @cached_property
    def _quoted(self) -> bytes:
        quote = re.escape(self.quote or b"")
        other = rb"[^" + quote + rb"]" if len(self.quote or b"") == 1 else rb"(?:(?!" + quote + rb").)"
        bodies = {
            "none": other + rb"*+",
            "doubled": rb"(?:" + other + rb"++|" + quote + quote + rb")*+",
            "backslash": rb"(?:\\.|(?!\\)" + other + rb")*+",
        }
        return quote + rb"(" + bodies[self.options.escape] + rb")" + quote

    def value(self, quoted: bytes | None, unquoted: bytes | None) -> bytes | None:
        """The value of a field from its two groups; None where an unquoted text is a null word."""
        if quoted is None:
            text = unquoted or b""
            if self.options.trim:
                text = text.strip(b" \t")
            return None if text in self.null_words else text
        return self._unescape(quoted)

    def _unescape(self, body: bytes) -> bytes:
        quote = self.quote or b""
        if self.options.escape == "doubled":
            return body.replace(quote * 2, quote)
        if self.options.escape == "backslash" and b"\\" in body:
            return re.sub(rb"\\(" + re.escape(quote) + rb"|\\)", rb"\1", body)
        return body
