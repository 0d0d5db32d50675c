"""Types of decimal arithmetic as Spark gives them, so that other engines can be brought to the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_MOST, _SCALE_KEPT = 38, 6
# From here to there a double is written digit by digit, and this holds the digits: by them it becomes a decimal, as in
# Spark. Sail rounds the binary number, so that 1.005 becomes 1.00. Beyond the bounds no such digits are lost.
LEAST_WRITTEN, MOST_WRITTEN, DIGITS = 1e-3, 1e15, "decimal(38,18)"
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
# Whole numbers and the digits of a decimal that holds them, in the order of their width.
INTEGERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}


@dataclass(frozen=True, slots=True)
class DecimalType:
    """A decimal's digits, and those of them after the point."""

    precision: int
    scale: int

    @classmethod
    def of(cls, kind: str, literal: str = "") -> DecimalType | None:
        """The decimal that a number of that type counts as beside a decimal; None for other types.

        Args:
            kind: in the engine's words.
            literal: the number itself where it is written in the expression: it counts its own digits.
        """
        if found := _DECIMAL.fullmatch(kind):
            return cls(int(found[1]), int(found[2]))
        if kind not in INTEGERS:
            return None
        return cls(len(literal.lstrip("-").lstrip("0")) or 1 if literal else INTEGERS[kind], 0)

    @classmethod
    def bounded(cls, precision: int, scale: int) -> DecimalType:
        """The type with at most 38 digits: whole digits are kept before those after the point."""
        if precision <= _MOST:
            return cls(precision, scale)
        return cls(_MOST, max(_MOST - (precision - scale), min(scale, _SCALE_KEPT)))

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"

    @property
    def whole(self) -> int:
        """Digits before the point."""
        return self.precision - self.scale

    def beside(self, other: DecimalType) -> DecimalType:
        """Type that both are brought to where one of them is chosen: digits before the point are kept first."""
        scale = max(self.scale, other.scale)
        precision = max(self.whole, other.whole) + scale
        return DecimalType(min(_MOST, precision), max(0, scale - max(0, precision - _MOST)))

    def plus(self, other: DecimalType) -> DecimalType:
        """Type of a sum or a difference."""
        scale = max(self.scale, other.scale)
        return self.bounded(max(self.whole, other.whole) + scale + 1, scale)

    def times(self, other: DecimalType) -> DecimalType:
        """Type of a product."""
        return self.bounded(self.precision + other.precision + 1, self.scale + other.scale)

    def over(self, other: DecimalType) -> DecimalType:
        """Type of a quotient."""
        scale = max(_SCALE_KEPT, self.scale + other.precision + 1)
        return self.bounded(self.whole + other.scale + scale, scale)

    def modulo(self, other: DecimalType) -> DecimalType:
        """Type of a remainder."""
        scale = max(self.scale, other.scale)
        return self.bounded(min(self.whole, other.whole) + scale, scale)

    def rounded(self, digits: int) -> DecimalType:
        """Type of `round(x, digits)`."""
        if digits < 0:
            return DecimalType(min(_MOST, max(self.whole + 1, 1 - digits)), 0)
        scale = min(self.scale, digits)
        return DecimalType(min(_MOST, self.whole + 1 + scale), scale)


def plain_number(text: str) -> str:
    """A literal's digits; '' for what is no plain number."""
    return text if re.fullmatch(r"-?\d+", text) and Decimal(text).is_finite() else ""
