"""What Sail computes otherwise than Spark, written so that it gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.sql.coercion import REAL, brought_to_one_type
from cloud_etl.engines.sql.decimals import DIGITS, LEAST_WRITTEN, MOST_WRITTEN, DecimalType, plain_number
from cloud_etl.engines.sql.integers import cast, refusal, unchecked, whole, widened, wraps
from cloud_etl.engines.sql.patterns import FUNCTIONS, ascii_classes
from cloud_etl.engines.sql.refused import refused_form
from cloud_etl.engines.sql.spark_sql import expression_tree, sql_of

if TYPE_CHECKING:
    from cloud_etl.engines.sql.integers import TypeOf

Found = tuple[exp.Expr, exp.Expr] | None
_NAN, _MOST, _LEAST = (f"CAST('{word}' AS DOUBLE)" for word in ("nan", "inf", "-inf"))
# A sum of decimals has ten digits more; up to here they are within 38.
_SAFE = 28
# A function and the number of its arguments: what gives the same.
_FORMS = {
    ("nvl", 2): "coalesce({0}, {1})",
    ("ifnull", 2): "coalesce({0}, {1})",
    ("zeroifnull", 1): "coalesce({0}, 0)",
    ("nvl2", 3): "CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END",
    ("isnan", 1): "(({0}) IS NOT NULL AND isnan({0}))",
    ("string", 1): "CAST({0} AS STRING)",
    # Its own text is of a kind that hashes do not take.
    ("md5", 1): "CAST(md5({0}) AS STRING)",
    # Its own is -1 for Sunday.
    ("weekday", 1): "CAST(pmod(dayofweek({0}) + 5, 7) AS INT)",
    # Its own is false for what is not known.
    ("array_contains", 2): "CASE WHEN ({1}) IS NOT NULL THEN array_contains({0}, {1}) END",
    ("regexp_count", 2): "CAST(regexp_count({0}, {1}) AS INT)",
}
_CAST_FUNCTIONS = ("tinyint", "smallint", "int", "bigint", "decimal")
# Sail's own takes nanoseconds, which end in the years 1677 and 2262. The first day of the unit that holds a date:
_FIRST_DAYS = {
    "week": "date_sub({0}, pmod(dayofweek({0}) + 5, 7))",
    "month": "make_date(year({0}), month({0}), 1)",
    "quarter": "make_date(year({0}), (quarter({0}) - 1) * 3 + 1, 1)",
    "year": "make_date(year({0}), 1, 1)",
}
_TRUNC = {f"'{unit}'": f"CAST({day.format('CAST({1} AS DATE)')} AS TIMESTAMP)" for unit, day in _FIRST_DAYS.items()} | {
    "'day'": "CAST(CAST({1} AS DATE) AS TIMESTAMP)",
    "'hour'": "timestamp_micros(unix_micros({1}) - pmod(unix_micros({1}), 3600000000))",
}


def replacement(node: exp.Expr, type_of: TypeOf, label: str) -> Found:
    """What to put where, so that a node gives on Sail what it gives on Spark; None where it does already.

    Args:
        node: its operands have been looked at before it.
        type_of: tells the type of a node.
        label: what it belongs to, for messages.

    Raises:
        ConfigError: it cannot be checked, or has no form that gives the same.
    """
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return _arithmetic(node, type_of, label)
    if isinstance(node, exp.Div | exp.Mod):
        return _decimal(node, _kinds(node, type_of), type_of(node))
    if (refused := refused_form(node, type_of)) is not None:
        raise refusal(f"{label}: {refused[0]} does not give the same on sail and spark; {refused[1]}")
    if isinstance(node, exp.Cast):
        return _by_digits(node, type_of) or _cut_cast(node, node.to, type_of)
    changed = brought_to_one_type(node, type_of) | _written_out(node)
    if not isinstance(node, exp.Anonymous):
        return (node, node.copy()) if changed else None
    changed |= _one_zero(node, type_of)
    return _function(node, type_of, label) or ((node, node.copy()) if changed else None)


def _by_digits(node: exp.Cast, type_of: TypeOf) -> Found:
    """A double becomes a decimal by the digits that it is written with, as `rounded` of the dialect says."""
    if not node.is_type("decimal") or type_of(node.this) != "double":
        return None
    text = sql_of(node.this)
    written = node.copy()
    written.set("this", expression_tree(f"CAST(CAST({text} AS STRING) AS {DIGITS})"))
    test = f"abs({text}) >= CAST({LEAST_WRITTEN} AS DOUBLE) AND abs({text}) < CAST({MOST_WRITTEN} AS DOUBLE)"
    new = exp.Case(ifs=[exp.If(this=expression_tree(test), true=written)], default=node.copy())
    return node, new


def _cut_cast(node: exp.Expr, target: exp.DataType, type_of: TypeOf) -> Found:
    """A cast that takes digits of a decimal away, so that nobody looks through it.

    Sail's planner compares what stands inside a cast with a literal outside of it: to it `cast(1.10 as int) = 1` is
    `1.10 = 1.00`, also where the cast and the comparison are of two steps.
    """
    value = node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
    kind = type_of(value) or ""
    found = DecimalType.of(kind) if kind.startswith("decimal") else None
    if found is None or not found.scale:
        return None
    text = target.sql("spark").lower()
    wanted = DecimalType.of("decimal(10,0)" if text == "decimal" else text.replace(" ", ""))
    if wraps(text):
        every_bit = cast(exp.Literal.number("-1"), text)
        return node, exp.Paren(this=exp.BitwiseAnd(this=node.copy(), expression=every_bit))
    if wanted is None or wanted.scale >= found.scale:
        return None
    value.replace(_round(value.copy(), wanted.scale))
    return node, node.copy()


def _round(value: exp.Expr, digits: int) -> exp.Expr:
    return exp.Anonymous(this="round", expressions=[value, exp.Literal.number(digits)])


def _cut(value: exp.Expr, kind: DecimalType) -> exp.Expr:
    """A decimal with fewer digits, rounded before it is cast: see `_cut_cast`."""
    return cast(_round(value, kind.scale), str(kind))


def _written_out(node: exp.Expr) -> bool:
    """Write out the classes of a pattern, in place; whether it has any."""
    if isinstance(node, exp.RegexpLike):
        pattern = node.expression
    elif isinstance(node, exp.Anonymous) and node.name.lower() in FUNCTIONS and len(node.expressions) > 1:
        pattern = node.expressions[1]
    else:
        return False
    if not isinstance(pattern, exp.Literal) or not pattern.is_string or ascii_classes(pattern.name) == pattern.name:
        return False
    pattern.replace(exp.Literal.string(ascii_classes(pattern.name)))
    return True


def _one_zero(node: exp.Anonymous, type_of: TypeOf) -> bool:
    """Let 0.0 and -0.0 be one value where Sail counts values by their bits; whether it was done, in place."""
    arguments = [part for one in node.expressions if isinstance(one, exp.Distinct) for part in one.expressions]
    if node.name.lower() == "collect_set":
        arguments = list(node.expressions)
    doubles = [one for one in arguments if type_of(one) in REAL]
    for one in doubles:
        zero = cast(exp.Literal.number("0"), "double")
        one.replace(exp.Paren(this=exp.Add(this=one.copy(), expression=zero)))
    return bool(doubles)


def _kinds(node: exp.Binary, type_of: TypeOf) -> tuple[str | None, str | None]:
    return type_of(node.this), type_of(node.expression)


def _arithmetic(node: exp.Binary, type_of: TypeOf, label: str) -> Found:
    if isinstance(node.this, exp.Star) or isinstance(node.expression, exp.Interval):
        return None
    kind, kinds = type_of(node), _kinds(node, type_of)
    if kind is None:
        sides = (node.this, node.expression)
        safe = any(isinstance(side, exp.Cast) and side.is_type("double", "float", "decimal") for side in sides)
        if safe:
            return None
        raise unchecked(label, sql_of(node))
    if wraps(kind) and kinds != ("date", "date"):
        return node, widened(node, kind)
    if isinstance(node, exp.Sub) and kinds[0] == kinds[1] == "date":
        raise refusal(f"{label}: the engines do not subtract dates alike; write datediff({sql_of(node.this)}, ...)")
    return _decimal(node, kinds, kind)


def _decimal(node: exp.Binary, kinds: tuple[str | None, str | None], kind: str | None) -> Found:
    if kind is None or not kind.startswith("decimal") or any(one is None or one in REAL for one in kinds):
        return None
    left = DecimalType.of(kinds[0] or "", plain_number(sql_of(node.this)))
    right = DecimalType.of(kinds[1] or "", plain_number(sql_of(node.expression)))
    if left is None or right is None:
        return None
    if isinstance(node, exp.Div):
        return node, _quotient(node, left, right)
    wanted = {exp.Mul: left.times, exp.Mod: left.modulo}.get(type(node), left.plus)(right)
    if str(wanted) == kind:
        return None
    has = DecimalType.of(kind)
    is_cut = has is not None and has.scale > wanted.scale
    return node, _cut(node.copy(), wanted) if is_cut else cast(node.copy(), str(wanted))


def _quotient(node: exp.Div, left: DecimalType, right: DecimalType) -> exp.Expr:
    """Sail cuts four digits after the dividend's last: it gets as many as leave one to round by."""
    wanted = left.over(right)
    scale = max(left.scale, wanted.scale - 3)
    dividend = cast(node.this.copy(), str(DecimalType(min(38, left.whole + scale), scale)))
    return _cut(exp.Div(this=dividend, expression=node.expression.copy()), wanted)


def _function(node: exp.Anonymous, type_of: TypeOf, label: str) -> Found:
    name, arguments = node.name.lower(), list(node.expressions)
    if name in ("datediff", "date_diff"):
        return (node, cast(node.copy(), "int")) if len(arguments) == 2 else None
    if name == "round" and arguments:
        return _rounded(node, arguments, type_of(arguments[0]))
    if name == "nullif" and len(arguments) == 2:
        return node, _unless_equal(arguments, type_of)
    return _of_one(node, name, type_of, label) if len(arguments) == 1 else _written_as(node, name, arguments)


def _of_one(node: exp.Anonymous, name: str, type_of: TypeOf, label: str) -> Found:
    """A function of one argument."""
    [argument] = node.expressions
    if name in ("min", "max") and type_of(argument) in REAL:
        return _extreme(node, argument)
    if name in ("sum", "avg", "mean"):
        return _folded(node, name, type_of, label)
    if name in ("floor", "ceil", "ceiling"):
        # One digit more than Spark has, where there is nothing to cut.
        kind = type_of(argument) or ""
        return (node, cast(node.copy(), kind)) if kind.endswith(",0)") else None
    if name in _CAST_FUNCTIONS:
        return _cut_cast(node, exp.DataType.build(name, dialect="spark"), type_of)
    return _written_as(node, name, [argument])


def _written_as(node: exp.Anonymous, name: str, arguments: list[exp.Expr]) -> Found:
    """Another form of a function, told by its name and arguments alone."""
    texts = [sql_of(one) for one in arguments]
    form = _FORMS.get((name, len(texts)))
    if name == "date_trunc" and texts:
        form = _TRUNC.get(texts[0].lower())
    if name == "trunc" and len(texts) == 2:
        day = _FIRST_DAYS.get(texts[1].lower().strip("'"))
        form = day.format("CAST({0} AS DATE)") if day else None
    new = expression_tree(form.format(*texts)) if form else None
    return (node, new) if new is not None else None


def _unless_equal(arguments: list[exp.Expr], type_of: TypeOf) -> exp.Expr:
    """`nullif(a, b)` of a's type, whatever b's is."""
    test = exp.EQ(this=exp.Paren(this=arguments[0].copy()), expression=exp.Paren(this=arguments[1].copy()))
    brought_to_one_type(test, type_of)
    return exp.Case(ifs=[exp.If(this=test, true=exp.Null())], default=arguments[0].copy())


def _extreme(node: exp.Anonymous, value: exp.Expr) -> Found:
    """The lowest or highest double, with NaN as the highest; Sail's groups leave it out, and begin at no infinity."""
    text = sql_of(value)
    numbers = _over(node, node.name, f"CASE WHEN {text} > {_LEAST} AND {text} < {_MOST} THEN {text} END")
    nan, most, least = (
        f"CASE WHEN {_over(node, 'bool_or', test)} THEN {what} END"
        for test, what in ((f"isnan({text})", _NAN), (f"{text} = {_MOST}", _MOST), (f"{text} = {_LEAST}", _LEAST))
    )
    order = (least, numbers, most, nan) if node.name.lower() == "min" else (nan, most, numbers, least)
    new = expression_tree(f"coalesce({', '.join(order)})")
    return (whole(node), new) if new is not None else None


def _folded(node: exp.Anonymous, name: str, type_of: TypeOf, label: str) -> Found:
    [argument] = node.expressions
    value = argument.expressions[0] if isinstance(argument, exp.Distinct) else argument
    kind = type_of(value)
    if kind is None:
        raise unchecked(label, sql_of(node))
    found = DecimalType.of(kind) if kind.startswith("decimal") else None
    if found is not None and found.precision > _SAFE:
        return whole(node), _bounded(node, value, found) if name == "sum" else _average(node, value, found)
    if found is not None and name != "sum":
        value.replace(cast(value.copy(), str(DecimalType(found.precision + 1, found.scale + 1))))
        place = whole(node)
        return place, _cut(place.copy(), DecimalType(found.precision + 4, found.scale + 4))
    if name != "sum" or not wraps(kind):
        return None
    value.replace(cast(value.copy(), "decimal(38,0)"))
    place = whole(node)
    return place, cast(place.copy(), "bigint")


def _bounded(node: exp.Anonymous, value: exp.Expr, kind: DecimalType) -> exp.Expr:
    """A sum of decimals that may need more than 38 digits, for which Sail gives 39 or wraps around.

    It wraps at 1.7e38 of the last digits: below that its double, which is true to 15 digits, says that it has not.
    """
    text, digits = sql_of(value), "9" * 38
    most = f"CAST('{digits[: 38 - kind.scale]}.{digits[38 - kind.scale :]}' AS DECIMAL(38, {kind.scale}))"
    total, double = _over(node, "sum", text), _over(node, "sum", f"CAST({text} AS DOUBLE)")
    return _tree(
        f"CASE WHEN {total} > {most} OR {total} < -{most} OR abs({double}) > CAST(1.35e{38 - kind.scale} AS DOUBLE) "
        f"THEN CAST(raise_error('a sum of {kind} needs more than 38 digits') AS DECIMAL(38, {kind.scale})) "
        f"ELSE {total} END"
    )


def _average(node: exp.Anonymous, value: exp.Expr, kind: DecimalType) -> exp.Expr:
    """Four digits more, as many as fit, and one to round by: Sail cuts a quotient at four more than the dividend."""
    total = cast(_bounded(node, value, kind), str(DecimalType(38, min(38, kind.scale + 1))))
    mean = exp.Div(this=total, expression=_tree(f"nullif({_over(node, 'count', sql_of(value))}, 0)"))
    return _cut(mean, DecimalType(min(38, kind.precision + 4), min(38, kind.scale + 4)))


def _over(node: exp.Anonymous, name: str, argument: str) -> str:
    """Another function of another argument, of what its distinct, filter and window take in."""
    made: exp.Expr = _tree(argument)
    if isinstance(node.expressions[0], exp.Distinct):
        made = exp.Distinct(expressions=[made])
    made_of = whole(node).copy()
    inner = made_of
    while not isinstance(inner, exp.Anonymous):
        inner = inner.this
    if inner is made_of:
        made_of = exp.Anonymous(this=name, expressions=[made])
    else:
        inner.replace(exp.Anonymous(this=name, expressions=[made]))
    return sql_of(made_of)


def _tree(text: str) -> exp.Expr:
    """Of a text made here of such that have been read."""
    tree = expression_tree(text)
    if tree is None:
        raise AssertionError(f"cannot be read: {text}")
    return tree


def _rounded(node: exp.Anonymous, arguments: list[exp.Expr], kind: str | None) -> Found:
    digits = sql_of(arguments[1]) if len(arguments) > 1 else "0"
    found = DecimalType.of(kind or "")
    if not (kind or "").startswith("decimal") or found is None or not plain_number(digits):
        return None
    return node, cast(node.copy(), str(found.rounded(int(digits))))
