"""Records over several lines that are proven without parsing: never another answer than the careful parser's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.extract.reader.test_csv_differential import LIMITS, SCHEMA, SETTINGS, found, polluted

from cloud_etl.domain.spec import CsvOptions
from cloud_etl.extract.reader.careful import NeedsMoreError, Parsed, parse_record
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.quotes import Quotes
from cloud_etl.extract.reader.scan import line_ends, sort_lines
from cloud_etl.extract.reader.shape import Shape

WIDTH = 3
crowded = st.text(alphabet='a1,"\n\r#\0é\\', max_size=60)


def lines_of(text: str, options: CsvOptions):
    data = text.encode() + b"\n"
    return data, sort_lines(data, line_ends(data), Dialect(options), np.ones(WIDTH, np.bool_))


@given(text=st.one_of(polluted(), crowded), escape=st.sampled_from(["doubled", "none", "backslash"]))
@SETTINGS
def test_every_proven_span_is_one_record_to_the_careful_parser(text, escape):
    options = CsvOptions(escape=escape, comment="#")
    data, lines = lines_of(text, options)
    for begin, last in lines.spans.items():
        start = int(lines.starts[begin])
        # A shape without patterns is the strictest: any line of that width looks like a record.
        try:
            outcome = parse_record(data, start, Dialect(options), Shape(WIDTH), False)
        except NeedsMoreError:
            outcome = None
        assert isinstance(outcome, Parsed), (begin, last)
        assert outcome.next == lines.ends[last] + 1
        assert len(outcome.fields) == WIDTH


def test_spans_are_proven_in_the_usual_case_and_left_alone_in_doubt():
    def spans(text: str, **options: object) -> dict[int, int]:
        return lines_of(text, CsvOptions.model_validate(options))[1].spans

    assert spans('1,2,3\n4,5,"a, ""b""\nthen c"\n6,7,8') == {1: 2}
    assert spans('1,"a\n\n\nb",3\n"x\ny",2,3') == {0: 3, 4: 5}
    assert spans('1,2,"a\r\nb"\r\n4,5,6') == {0: 1}
    assert spans('1,2,"a\nb"', escape="none") == {0: 1}
    assert spans('1,2,"a\nb"', escape="backslash") == {0: 1}
    assert spans('1,2,"a\\\nb"', escape="backslash") == {}, "an escaped line end"
    assert spans('1,2,"a\n4,5,b"') == {}, "both lines look like records"
    assert spans('1,"a, b","\n4,5,"') == {}, "both lines look like records where quotes are text"
    assert spans('1,2,"a\n4,5,6\nb"') == {}, "a line between looks like a record"
    assert spans('1,2,"a\n3,"') == {}, "the last quote may open a field of another record"
    assert spans('1,"a\nb"') == {}, "too few fields"
    assert spans('1,2,"a\nb",4') == {}, "too many fields"
    assert spans('1,2,"a\nb" c') == {}, "text after the closing quote"
    assert spans('1,2,x"a\nb"') == {}, "a stray quote"
    assert spans('1,2,"a\n\0b"') == {}, "a NUL byte"
    assert spans('1,2,"a\rx\nb"') == {}, "a lone CR"
    assert spans('1,2,"' + "\n" * 10 + '"') == {}, "too many lines"
    assert spans('1,2,"a\n' + "b" * 1100 + '"', max_record_bytes=1024) == {}, "too long"


@given(body=polluted(), null_words=st.sampled_from([("",), ("", "a"), ()]))
@SETTINGS
def test_rows_and_rejects_are_the_same_with_and_without_proven_spans(read, body, null_words):
    data = ("colA,colB,colC\n" + body).encode()
    source = {"csv": {"null_words": null_words}}
    proven = [found(read(data, SCHEMA, source=source, limits=limits)) for limits in LIMITS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quotes, "spans", lambda *_: {})
        parsed = found(read(data, SCHEMA, source=source))
    assert proven == [parsed] * len(LIMITS)
