"""The console of results, progress and log lines: whatever is printed on it, nothing in it steers the screen."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cloud_etl.domain.printable import laid_out


class PlainConsole(Console):
    """A console without markup that writes control characters of texts as words; its own colours and moves stay."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        """As the base, with nothing in a text standing for more than itself."""
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The parts of what is printed, their texts cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(laid_out(segment.text), segment.style)
