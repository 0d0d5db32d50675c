"""COPY and UNLOAD read from their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.local_aws.redshift.copy.copy_parser import parse_copy
from cloud_etl.local_aws.redshift.copy.statement import RowFormat
from cloud_etl.local_aws.redshift.copy.tokens import tokenize, unescaped
from cloud_etl.local_aws.redshift.copy.unload_parser import parse_unload
from cloud_etl.local_aws.redshift.port import RedshiftError

ARN = "arn:aws:iam::123456789012:role/a"


def test_a_full_statement_is_read_in_any_case_and_order() -> None:
    found = parse_copy(
        f"""/* load */ Copy "My Schema".t (a, "B c") -- columns
        from 's3://b/p' manifest Iam_Role '{ARN},{ARN}2' format as csv quote as '^' delimiter as ';' gzip
        maxerror as 7 ignoreheader 1 null as 'NA' region as 'eu-west-1' statupdate off compupdate preset comprows 9;"""
    )
    assert (found.schema, found.table, found.columns) == ("My Schema", "t", ("a", "B c"))
    assert found.authorization.roles == (ARN, ARN + "2")
    assert (found.format, found.compression, found.manifest, found.region) == ("CSV", "GZIP", True, "eu-west-1")
    assert (found.max_errors, found.rows.quote, found.rows.delimiter) == (7, "^", ";")
    assert (found.rows.ignore_header, found.rows.null_as) == (1, "NA")
    assert found.written[0] == "MANIFEST"


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("", RowFormat(delimiter="|")),
        ("csv", RowFormat(delimiter=",")),
        ("delimiter '\\t' escape removequotes", RowFormat(delimiter="\t", escape=True, remove_quotes=True)),
        ("delimiter '\\001'", RowFormat(delimiter="\x01")),
        ("acceptinvchars", RowFormat(replace_invalid="?")),
        ("acceptinvchars as '^'", RowFormat(replace_invalid="^")),
        ("fixedwidth 'a:3, b:10'", RowFormat(widths=(("a", 3), ("b", 10)))),
        ("json as 's3://b/paths'", RowFormat(json="s3://b/paths")),
        ("format json 'auto ignorecase'", RowFormat(json="auto ignorecase")),
        ("json", RowFormat(json="auto")),
        ("null as '\\N'", RowFormat(null_as="\\N")),
        ("encoding utf16le", RowFormat(encoding="UTF16LE")),
        ("timeformat 'epochsecs' dateformat as 'auto'", RowFormat(time_format="epochsecs", date_format="auto")),
        (
            "emptyasnull blanksasnull trimblanks truncatecolumns fillrecord roundec acceptanydate ignoreblanklines",
            RowFormat(
                empty_as_null=True, blanks_as_null=True, trim_blanks=True, truncate_columns=True, fill_record=True,
                round_decimals=True, any_date=True, ignore_blank_lines=True,
            ),
        ),
    ],
)  # fmt: skip
def test_each_option_of_text_files_is_kept(clause: str, expected: RowFormat) -> None:
    assert parse_copy(f"copy t from 's3://b/p' iam_role default {clause}").rows == expected


def test_credentials_of_each_form_are_read_and_never_shown() -> None:
    one = parse_copy(
        "copy t from 's3://b' with credentials as 'aws_access_key_id=k;aws_secret_access_key=s3cret;token=t'"
    )
    two = parse_copy("copy t from 's3://b' access_key_id 'k' secret_access_key as 's3cret' session_token 't'")
    assert one.authorization == two.authorization
    assert (one.authorization.secret_access_key, one.authorization.session_token) == ("s3cret", "t")
    assert "s3cret" not in repr(one)
    role = parse_copy(f"copy t from 's3://b' credentials 'aws_iam_role={ARN}'")
    assert role.authorization.roles == (ARN,)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("copy t from 's3://b", "unterminated quoted string"),
        ("copy t", "syntax error at end of input"),
        ("copy t (a from 's3://b' iam_role default", 'syntax error at or near "from"'),
        ("copy t from 'dynamodb://x' iam_role default", "Only Amazon S3"),
        ("copy t from 's3://b' iam_role default csv quote '--'", "COPY quote must be a single ASCII character"),
        ("copy t from 's3://b' iam_role default acceptinvchars '??'", "ACCEPTINVCHARS replacement must be a single"),
        ("copy t from 's3://b' iam_role default encoding ebcdic", "Encoding ebcdic is not valid"),
        ("copy t from 's3://b' iam_role default fixedwidth 'a'", "invalid FIXEDWIDTH specification"),
        ("copy t from 's3://b' iam_role default avro 'auto'", "FORMAT AVRO is not supported on this server"),
        ("copy t from 's3://b' iam_role default encrypted", "ENCRYPTED is not supported by COPY on this server"),
        ("copy t from 's3://b' iam_role default format as nonsense", 'syntax error at or near "nonsense"'),
        ("copy t from 's3://b' credentials 'key=x'", "Invalid credentials. Must be of the format"),
    ],
)
def test_a_statement_that_is_off_says_where(sql: str, text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse_copy(sql)
    assert text in caught.value.message


def test_unload_takes_a_quoted_and_a_dollar_quoted_query() -> None:
    for query in ("'select ''a'' as x'", "'select \\'a\\' as x'", "$$select 'a' as x$$", "$q$select 'a' as x;$q$"):
        assert parse_unload(f"unload ({query}) to 's3://b/p' iam_role default").query == "select 'a' as x"


def test_unload_options_are_kept() -> None:
    found = parse_unload(
        "unload ('select 1') to 's3://b/p' iam_role default format as csv delimiter as ';' header zstd manifest "
        "verbose parallel off maxfilesize as 1.5 gb partition by (a, b) include null as 'NA' extension 'x' cleanpath"
    )
    assert (found.format, found.delimiter, found.compression, found.null_as) == ("CSV", ";", "ZSTD", "NA")
    assert (found.header, found.manifest, found.verbose, found.parallel) == (True, True, True, False)
    assert (found.max_file_bytes, found.partition_by, found.include) == (3 << 29, ("a", "b"), True)
    assert (found.extension, found.clean_path) == ("x", True)


def test_unload_csv_is_delimited_by_commas_unless_told_otherwise() -> None:
    assert parse_unload("unload ('select 1') to 's3://b' iam_role default csv").delimiter == ","
    assert parse_unload("unload ('select 1') to 's3://b' iam_role default").delimiter == "|"


@given(st.text())
def test_any_identifier_survives_its_quotes(name: str) -> None:
    (token,) = tokenize('"' + name.replace('"', '""') + '"')
    assert (token.kind, token.text) == ("quoted", name)


@given(st.text(alphabet=st.characters(exclude_characters="\\")))
def test_any_text_without_backslashes_survives_its_quotes(text: str) -> None:
    (token,) = tokenize("'" + text.replace("'", "''") + "'")
    assert (token.kind, token.text, unescaped(token.text)) == ("string", text, text)
