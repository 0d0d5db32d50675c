import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_reference_page_is_that_of_the_models():
    # In a process of its own: tests register steps that are not the product's.
    made = subprocess.run(
        [sys.executable, "-m", "cloud_etl.config.reference"],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert PAGE.read_text(encoding="utf-8") == made.stdout, "run: make docs"
