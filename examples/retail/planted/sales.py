"""Orders as CSV: three good files with planted faults, and one that was glued together."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from planted.record import RawFile, Record

COLUMNS = (
    "order_id", "customer_id", "product_id", "region", "order_ts", "quantity", "unit_price", "discount", "note",
)  # fmt: skip
HEADER = ",".join(COLUMNS).encode()
REGIONS = ("north", "south", "east", "west")
NOTES = ("gift", "urgent", "call first", "für Zoë 🎁", "naïve café")
FIRST = datetime(2026, 1, 5, 8)
CUSTOMERS, PRODUCTS = 400, 150


@dataclass(frozen=True, slots=True)
class Order:
    """An order as typed values; `texts` overrides how single columns are written."""

    order_id: str | None
    customer_id: int | None
    product_id: int | None
    region: str | None
    order_ts: datetime | None
    quantity: int | None
    unit_price: Decimal | None
    discount: Decimal | None
    note: str | None

    def changed(self, **values: object) -> Order:
        """The same order with other values."""
        return Order(**{name: values.get(name, getattr(self, name)) for name in COLUMNS})  # type: ignore[arg-type]

    def record(self, **texts: str) -> Record:
        """A sound record; `texts` are ways of writing single values that mean the same."""
        return Record(",".join(self._fields(texts)).encode(), {name: getattr(self, name) for name in COLUMNS})

    def broken(self, code: str, **texts: str) -> Record:
        """A record that must be rejected because of the given texts."""
        return Record(",".join(self._fields(texts)).encode(), code=code)

    def _fields(self, texts: dict[str, str]) -> list[str]:
        return [texts.get(name, _text(getattr(self, name))) for name in COLUMNS]


def _text(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') or not text else text


def _order(rng: random.Random, number: int) -> Order:
    return Order(
        order_id=f"S{number:06d}",
        customer_id=rng.randint(1, CUSTOMERS),
        product_id=rng.randint(1, PRODUCTS),
        region=rng.choice(REGIONS),
        order_ts=FIRST + timedelta(seconds=number * 75),
        quantity=rng.randint(1, 12),
        unit_price=Decimal(rng.randint(100, 50_000)).scaleb(-2),
        discount=rng.choice((None, Decimal("0.0500"), Decimal("0.1"), Decimal("0.1250"), Decimal(0))),
        note=rng.choice(NOTES) if rng.random() < 0.2 else None,
    )


def files(rng: random.Random) -> tuple[RawFile, ...]:
    """The sales files in the order of their names."""
    orders = [_order(rng, number) for number in range(1, 3061)]
    monday, tuesday, wednesday, glued = orders[:1400], orders[1400:2400], orders[2400:3000], orders[3000:]
    first = _mixed(rng, monday, [*_SHAPES, *_QUOTES, *_LEGITIMATE])
    second = _mixed(rng, tuesday, [*_VALUES, *_BYTES])
    third = _mixed(rng, wednesday, [*_BUSINESS, *_NULLS])
    second += _repeats(rng, monday, first)
    third += [orders[2999].changed(order_id="S900001").broken("unclosed_quote", note='"left open')]
    return (
        RawFile("sales_2026-01-05.csv", tuple(first), HEADER + b"\n"),
        RawFile("sales_2026-01-06.csv.gz", tuple(second), HEADER + b"\n"),
        # From another system: byte order mark, CRLF, no line end after the last record.
        RawFile("sales_2026-01-07.csv", tuple(third), b"\xef\xbb\xbf" + HEADER + b"\r\n", b"\r\n", False),
        RawFile("sales_2026-01-08.csv", tuple(_glued(glued)), HEADER + b"\n"),
    )


def _mixed(rng: random.Random, orders: list[Order], faults: list[Fault]) -> list[Record]:
    """Write the orders in their order; orders drawn at random get one fault each."""
    places = iter(rng.sample(range(len(orders)), sum(count for count, _ in faults)))
    chosen = {next(places): write for count, write in faults for _ in range(count)}
    records = [chosen[place](order) if place in chosen else order.record() for place, order in enumerate(orders)]
    return [*records[:50], Record(b""), *records[50:300], Record(b""), *records[300:]]


def _repeats(rng: random.Random, orders: list[Order], records: list[Record]) -> list[Record]:
    """Orders of the day before once more: 20 as they were, 20 changed since, 5 changed and lost again."""
    sound = {record.row["order_id"]: record.row for record in records if record.row is not None}
    unchanged = [order for order in orders if sound.get(order.order_id) == order.record().row]
    drawn = rng.sample(unchanged, 45)
    again = [order.record() for order in drawn[:20]]
    later = [order.changed(order_ts=_later(order), quantity=2, region="online") for order in drawn[20:]]
    lost = [order.broken("bad_integer", quantity="two") for order in later[20:]]
    return [*again, *(order.record() for order in later[:20]), *lost]


def _later(order: Order) -> datetime | None:
    return order.order_ts + timedelta(days=1) if order.order_ts else None


def _glued(orders: list[Order]) -> list[Record]:
    """Two exports in one file: from the second header on nothing can be trusted."""
    below = [Record(order.record().raw, code="second_table") for order in orders[50:]]
    return [*(order.record() for order in orders[:50]), Record(HEADER, code="second_table"), *below]


Fault = tuple[int, Callable[[Order], Record]]


def _broken(count: int, code: str, **texts: str) -> Fault:
    return count, lambda order: order.broken(code, **texts)


def _sound(count: int, **values: object) -> Fault:
    return count, lambda order: order.changed(**values).record()


def _cut(order: Order) -> Record:
    return Record(b",".join(order.changed(note=None).record().raw.split(b",")[:-2]), code="too_few_fields")


def _with_bytes(code: str, raw: bytes) -> Callable[[Order], Record]:
    return lambda order: Record(order.changed(note="x").record().raw[:-1] + raw, code=code)


def _all_quoted(order: Order) -> Record:
    plain = order.changed(discount=Decimal("0.1"), note="all quoted")
    texts = {name: f'"{getattr(plain, name)}"' for name in COLUMNS}
    return plain.record(**texts)


_SHAPES: list[Fault] = [
    (6, _cut),
    _broken(4, "too_many_fields", note="ok,surplus"),
    _broken(2, "too_many_fields", note="ok,"),
    # A shift to the right that the count of fields alone would not show: an empty field too many at both ends.
    (2, lambda order: Record(b"," + order.changed(note=None).record().raw, code="too_many_fields")),
]
_QUOTES: list[Fault] = [
    _broken(3, "stray_quote", note='5" pipe'),
    _broken(1, "stray_quote", region='no"rth'),
    _broken(4, "text_after_quote", note='"5"" pipe" loose'),
]
_LEGITIMATE: list[Fault] = [
    _sound(6, note='call first, gate "B"\nthen leave it at the desk'),
    _sound(4, note='12" x 8" frame'),
    _sound(3, note="one, two, three"),
    _sound(2, note=""),
    (2, lambda order: order.changed(note="NA").record(note='"NA"')),
    (5, _all_quoted),
    (2, lambda order: order.changed(quantity=7).record(quantity="+7")),
    (2, lambda order: order.changed(quantity=7).record(quantity="007")),
    (2, lambda order: order.changed(unit_price=Decimal("12.50")).record(unit_price="12.5")),
    (1, lambda order: order.changed(unit_price=Decimal("12.50")).record(unit_price="12.5000")),
]
_VALUES: list[Fault] = [
    _broken(3, "bad_integer", quantity="three"),
    _broken(2, "bad_integer", quantity="1.5"),
    _broken(2, "bad_integer", quantity="12 pcs"),
    _broken(1, "bad_integer", quantity="0x1F"),
    _broken(1, "bad_integer", quantity="1e3"),
    _broken(2, "out_of_range", customer_id="3000000000"),
    _broken(3, "decimal_scale", unit_price="12.345"),
    _broken(2, "bad_decimal", unit_price='"12,50"'),
    _broken(1, "bad_decimal", unit_price="1e3"),
    _broken(1, "out_of_range", unit_price="99999999999.00"),
    _broken(2, "bad_timestamp", order_ts="2024-02-30 10:00:00"),
    _broken(1, "bad_timestamp", order_ts="05/01/2026 10:00"),
    _broken(1, "bad_timestamp", order_ts="2026-01-06"),
    _broken(1, "bad_timestamp", order_ts="soon", quantity="many"),
    _broken(2, "missing_value", order_id=""),
]
_BYTES: list[Fault] = [
    (2, _with_bytes("invalid_encoding", b"caf\xe9")),
    (1, _with_bytes("nul_byte", b"a\x00b")),
    (1, _with_bytes("bare_carriage_return", b"a\rb")),
]
_BUSINESS: list[Fault] = [
    _sound(8, customer_id=-1),
    _sound(6, quantity=-2),
    _sound(2, quantity=0),
    _sound(3, quantity=5000),
    _sound(9, customer_id=9001),
    _sound(7, product_id=9001),
]
_NULLS: list[Fault] = [
    _sound(10, product_id=None),
    (4, lambda order: order.changed(product_id=None).record(product_id="NULL")),
    (6, lambda order: order.changed(discount=None).record(discount="NA")),
    _sound(4, customer_id=None),
    _sound(3, region=None),
    _sound(2, unit_price=None),
]
