from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.monitoring.redaction import MASK, Redactor

CANARY = "cAnArY-7f/3:x?9#q@z"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://loader:{CANARY}@warehouse:5439/db",
        f"could not connect to redis://:{CANARY}@cache:6379/0",
        f"{{'url': 'https://user:{CANARY}@host/path'}}",
        f"https://{CANARY.replace('/', '').replace(':', '').replace('?', '').replace('#', '')}@github.com/a/b",
        f"password={CANARY}",
        f"PGPASSWORD={CANARY} psql",
        f'{{"db_password": "{CANARY} and more"}}',
        f"{{'password': '{CANARY} and more'}}",
        f'{{\\"client_secret\\": \\"{CANARY} and more\\"}}',
        f"Config(user='a', passwd='{CANARY}', port=1)",
        f"token: {CANARY}",
        f"secret = {CANARY}",
        f"aws_secret_access_key={CANARY};aws_access_key_id=x",
        f"['--password', '{CANARY}']",
        f"--api-key {CANARY}",
        f"CREATE USER etl PASSWORD '{CANARY}'",
        f"CREATE SECRET (TYPE s3, KEY_ID 'x', SECRET_ACCESS_KEY '{CANARY}')",
        f"Authorization: Bearer {CANARY} {CANARY}",
        f"{{'Authorization': 'Basic {CANARY}'}}",
        f"('authorization', 'AWS4-HMAC-SHA256 Credential={CANARY}, Signature={CANARY}')",
        f"Cookie: session={CANARY}; other={CANARY}",
        f"X-Amz-Security-Token: {CANARY}",
        f"https://b.s3.amazonaws.com/k?X-Amz-Credential={CANARY}&X-Amz-Date=1",
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{CANARY}\nabc\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\\nMIIE{CANARY}\\nabc",
        f'KeyError: "it said password=\'{CANARY} and more\'"',
        f"password=\"{CANARY}\n and {CANARY}\"",
    ],
)  # fmt: skip
def test_no_piece_of_a_secret_survives_the_way_it_is_written(text: str) -> None:
    redacted = Redactor().text(text)
    assert MASK in redacted
    assert "cAnArY" not in redacted and "q@z" not in redacted and "and more" not in redacted


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK3Y",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    ],
)
def test_keys_of_a_known_shape_are_found_without_a_name(secret: str) -> None:
    assert secret not in Redactor().text(f"the key {secret} was refused ({secret})")


def test_a_signed_url_keeps_what_is_not_secret() -> None:
    url = (
        "https://b.s3.amazonaws.com/raw/a.csv?X-Amz-Expires=900&X-Amz-Signature=deadbeef00&X-Amz-Security-Token=FwoG%2F"
    )
    assert Redactor().text(url) == (
        "https://b.s3.amazonaws.com/raw/a.csv?X-Amz-Expires=900&X-Amz-Signature=***&X-Amz-Security-Token=***"
    )


@pytest.mark.parametrize(
    "text",
    [
        "load.copied table=analytics.sales_fact rows=12345 files=3",
        "token_count=5 tokens=7 secrets=2 password_length=12",
        "3 tokens were read; no secret was needed",
        "s3://bucket/raw-data/mail@2024.csv and file:///data/a@b.csv",
        "see https://docs.example.org:8443/page?x=1#part",
        "mail ops@example.org about s3://bucket/key",
        "batch 0123456789abcdef0123456789abcdef of commit 0123456789abcdef0123456789abcdef01234567",
        "password is null: password=None, {'token': null}",
        "auth: {secret: ${secret:retail/dev/redshift}}",
        "${secret:retail/dev/redshift}: not found",
        "keys: [order_id], sortkey=order_ts, distkey: customer_id",
        "-----BEGIN CERTIFICATE-----",
        "Traceback (most recent call last):\n  File \"/srv/etl/load.py\", line 12, in copy",
        "processed-data/sales_fact_20260305/run_20260305T101112-7f3a/region=EU/part-00000.parquet",
    ],
)  # fmt: skip
def test_innocent_text_is_left_as_it_is(text: str) -> None:
    assert Redactor(lambda: {"unrelated-secret"}).text(text) == text


FORMS = {
    "plain": lambda secret: secret,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: quote(secret).replace("%2F", "%2f"),
    "percent, twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "form": quote_plus,
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json, twice": lambda secret: json.dumps(json.dumps(secret))[1:-1],
    "json, unicode": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
    "repr of a dict": lambda secret: repr({"x": {"y": secret}}),
    "bytes": lambda secret: repr(secret.encode()),
    "html": html.escape,
    "basic auth": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for urls": lambda secret: base64.urlsafe_b64encode(f"a{secret}".encode()).decode(),
    "hex": lambda secret: secret.encode().hex().upper(),
}
SPECIAL = "/@?:#&%=+ \\\"'`$;,<>{}[]|~^\n\té€😀"
characters = st.one_of(st.sampled_from(SPECIAL), st.characters(min_codepoint=33, max_codepoint=126))
secrets = st.text(characters, min_size=6, max_size=40).filter(
    lambda secret: len(secret.strip()) >= 6 and "*" not in secret and "\n" not in secret.strip()
)


def _core(encoded: str) -> str:
    """The middle of an encoded text: ends are shared with what stands beside it."""
    return encoded[4:-5] if len(encoded) > 12 else encoded


@given(secret=secrets, form=st.sampled_from(sorted(FORMS)))
def test_a_known_secret_is_found_in_every_form(secret: str, form: str) -> None:
    secret = secret.strip()
    encoded = FORMS[form](secret)
    redacted = Redactor(lambda: {secret}).text(f"before {encoded} after")
    assert secret not in redacted
    assert _core(encoded) not in redacted
    assert MASK in redacted


@given(password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4))
def test_a_password_of_any_characters_is_taken_out_of_a_url(password: str) -> None:
    redacted = Redactor().text(f"connecting to postgresql://etl:{password}@warehouse.internal:5439/db failed")
    assert redacted == "connecting to postgresql://***@warehouse.internal:5439/db failed"


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    redactor = Redactor(lambda: {"s3cr3t/word"})
    once = redactor.text(f"{text} password={text} s3cr3t/word https://a:{text}@b {text}")
    assert redactor.text(once) == once


def test_each_line_of_a_multi_line_secret_is_found_also_when_indented() -> None:
    key = "first-line-of-key\nsecond-line-of-key\n"
    redacted = Redactor(lambda: {key}).text("  | first-line-of-key\n  | second-line-of-key\n")
    assert "line-of-key" not in redacted


def test_a_secret_resolved_later_is_redacted_from_then_on() -> None:
    known: set[str] = set()
    redactor = Redactor(lambda: known)
    assert redactor.text("late-secret") == "late-secret"
    known.add("late-secret")
    assert redactor.text("late-secret") == MASK


def test_a_short_secret_is_redacted_only_where_it_stands_alone() -> None:
    assert Redactor(lambda: {"abc"}).text("abc abcdef xabc (abc)") == "*** abcdef xabc (***)"


def test_fields_are_redacted_by_name_and_by_value_at_any_depth() -> None:
    fields = {
        "db_password": "x", "accessKeyId": 7, "rows": 12345, "token_count": 5, "password_set": True, "secret": None,
        "nested": [{"api_key": "y", "note": "hunter-seven"}], "hunter-seven": 1, "raw": b"hunter-seven", "pin": 998877,
        "share": float("nan"),
    }  # fmt: skip
    assert Redactor(lambda: {"hunter-seven", "998877"}).fields(fields) == {
        "db_password": MASK, "accessKeyId": MASK, "rows": 12345, "token_count": 5, "password_set": True, "secret": None,
        "nested": [{"api_key": MASK, "note": MASK}], MASK: 1, "raw": MASK, "pin": MASK, "share": "nan",
    }  # fmt: skip


def test_an_object_that_cannot_be_shown_does_not_break_the_log() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert Redactor().fields({"x": Broken()}) == {"x": "<Broken that cannot be shown: RuntimeError>"}


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "-",
        '"',
        "\\",
        "a://b:",
        "a://",
        "password='",
        'password=\\" ',
        "eyJ",
        "Ab1/",
        "bearer ",
        "authorization:",
        "%25",
    ],
)
def test_the_time_does_not_grow_with_the_square_of_the_text(unit: str) -> None:
    redactor = Redactor(lambda: {"aaaaaaaaaaaaaaaaaab", "\\" * 8 + "x", '"' * 8})
    began = time.process_time()
    redactor.text(unit * (200_000 // len(unit)))
    # Linear is some tenths of a second; the square of 200,000 steps would take hours.
    assert time.process_time() - began < 5
