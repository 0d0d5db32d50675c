"""Write the reference pages that are generated from the code: `make docs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cloud_etl.config.reference import render_reference
from cloud_etl.domain.rejects import reject_codes_page
from cloud_etl.quality.reference import checks_page

FOLDER = Path(__file__).parents[1] / "docs/reference"
PAGES: dict[str, Callable[[], str]] = {
    "checks.md": checks_page,
    "configuration.md": render_reference,
    "reject-codes.md": reject_codes_page,
}


def main() -> None:
    """Write every page."""
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render())


if __name__ == "__main__":
    main()
