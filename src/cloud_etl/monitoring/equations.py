"""The ledger's equations, folded so that ten thousand files stay readable and no failure is hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloud_etl.domain.ledger import Equation


@dataclass(frozen=True, slots=True)
class EquationGroup:
    """Equations of one kind.

    Attributes:
        shown: all of a small group; of a larger one those that do not hold, up to the limit.
        failing: how many do not hold.
    """

    name: str
    terms: str
    total: int
    failing: int
    shown: tuple[Equation, ...]
    left: int | None
    right: int | None

    @property
    def folded(self) -> bool:
        """True where only failures are shown and the rest stands as one line."""
        return self.total > len(self.shown)


def grouped(equations: Iterable[Equation], limit: int = 6) -> tuple[EquationGroup, ...]:
    """Group equations by name, in order; `left` and `right` are the sums, None when one of the sides is not known."""
    by_name: dict[str, list[Equation]] = {}
    for equation in equations:
        by_name.setdefault(equation.name, []).append(equation)
    return tuple(_group(name, members, limit) for name, members in by_name.items())


def _group(name: str, members: list[Equation], limit: int) -> EquationGroup:
    failing = [member for member in members if not member.holds]
    return EquationGroup(
        name=name,
        terms=members[0].terms,
        total=len(members),
        failing=len(failing),
        shown=tuple(members if len(members) <= limit else failing[:limit]),
        left=_sum(member.left for member in members),
        right=_sum(member.right for member in members),
    )


def _sum(sides: Iterable[int | None]) -> int | None:
    known = list(sides)
    return None if None in known else sum(side for side in known if side is not None)
