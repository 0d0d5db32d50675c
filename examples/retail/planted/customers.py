"""Customers as JSON lines: two deliveries, the second holds changes of the first."""

from __future__ import annotations

import json
import random
from datetime import date, datetime, timedelta

from planted.record import RawFile, Record

NAMES = ("Ada Lovelace", "Grace Hopper", "Zoë Müller", "Łukasz Żółć", "O'Neill & Söhne", "李小龍", 'Anna "Ann" Rossi')
COUNTRIES = ("AT", "CH", "DE", "FR", "IT", "NL")
FIRST = datetime(2025, 6, 1, 12)


def files(rng: random.Random) -> tuple[RawFile, ...]:
    """The customer files in the order of their names."""
    people = [_person(rng, number) for number in range(1, 401)]
    sound = [_record(person) for person in people[:384]]
    # Customers 385 to 400 are lost to a fault each: their orders have nothing to refer to.
    faulty = [fault for person, fault in zip(people[384:], _faults(people[384:]), strict=True)]
    first = [*sound[:100], *faulty[:8], Record(b""), *sound[100:], *faulty[8:], *_no_customers()]
    return (
        RawFile("customers_2026-01-05.jsonl", tuple(first)),
        RawFile("customers_2026-01-06.jsonl.gz", tuple(_changes(rng, people))),
    )


def _person(rng: random.Random, number: int) -> dict[str, object]:
    name = rng.choice(NAMES)
    return {
        "customer_id": number,
        "name": name,
        "email": f"customer{number}@example.com" if rng.random() < 0.9 else None,
        "country": rng.choice(COUNTRIES),
        "signup_date": date(2020, 1, 1) + timedelta(days=rng.randint(0, 2000)),
        "loyalty_points": rng.choice((None, 0, 120, 2_500, 9_007_199_254_740_993)),
        "address": rng.choice((None, {"city": "Zürich", "zip": "8001"}, {"city": "Köln", "lines": ["Hof 2", "c/o B"]})),
        "updated_at": FIRST + timedelta(minutes=number),
    }


def _record(person: dict[str, object], *, ascii_only: bool = False) -> Record:
    return Record(_json(person, ascii_only=ascii_only).encode(), {**person})


def _json(person: dict[str, object], *, ascii_only: bool = False) -> str:
    return json.dumps(person, default=lambda value: value.isoformat(), ensure_ascii=ascii_only)


def _faults(people: list[dict[str, object]]) -> list[Record]:
    """One fault per customer, in the order of the list."""
    changes: list[tuple[str, dict[str, object]]] = [
        ("missing_value", {"name": None}),
        ("bad_date", {"signup_date": "2024-02-30"}),
        ("bad_date", {"signup_date": "last spring"}),
        ("bad_integer", {"loyalty_points": "many"}),
        ("bad_integer", {"loyalty_points": 1.5}),
        ("out_of_range", {"loyalty_points": 9_223_372_036_854_775_808}),
        ("bad_string", {"name": {"first": "Ada", "last": "Lovelace"}}),
        ("bad_timestamp", {"updated_at": "yesterday"}),
    ]
    changed = [Record(_json({**person, **change}).encode(), code=code)
               for person, (code, change) in zip(people, changes, strict=False)]  # fmt: skip
    texts = [_json(person) for person in people[len(changes) :]]
    return [
        *changed,
        Record(texts[0][: len(texts[0]) // 2].encode(), code="invalid_json"),
        Record(texts[1].replace("}", ",}", 1).encode(), code="invalid_json"),
        Record(_json({**people[10], "loyalty_points": float("nan")}).encode(), code="invalid_json"),
        Record((texts[3][:-1] + ', "country": "DE"}').encode(), code="duplicate_key"),
        Record(_json({**people[12], "name": "Z\0"}).encode().replace(b"\\u0000", b"\xeb"), code="invalid_encoding"),
        Record(json.dumps(json.loads(texts[5]) | {"shoe_size": 43}).encode(), code="unexpected_column"),
        Record(b"\x00" + texts[6].encode(), code="nul_byte"),
        Record(json.dumps({k: v for k, v in json.loads(texts[7]).items() if k != "updated_at"}).encode(),
               code="missing_value"),
    ]  # fmt: skip


def _no_customers() -> list[Record]:
    return [Record(b"[1, 2, 3]", code="not_an_object"), Record(b'"end of file"', code="not_an_object")]


def _changes(rng: random.Random, people: list[dict[str, object]]) -> list[Record]:
    """The second delivery: 30 customers changed, 10 as they were, 5 older than what is known, 6 from elsewhere."""
    drawn = rng.sample(people[:384], 45)
    later = [{**one, "country": "NL", "updated_at": FIRST + timedelta(days=30)} for one in drawn[:30]]
    older = [{**one, "country": "IT", "updated_at": FIRST - timedelta(days=30)} for one in drawn[40:]]
    records = [_record(one, ascii_only=True) for one in [*later, *drawn[30:40], *older]]
    abroad = [{**_person(rng, 401 + place), "country": "XX"} for place in range(6)]
    odd_mail = {**_person(rng, 407), "email": "no mail"}
    return [*records, *map(_record, abroad), _record(odd_mail)]
