from __future__ import annotations

from pathlib import Path

import yaml

from cloud_etl.domain.spec import CheckSpec, QualitySpec
from cloud_etl.quality.reference import checks_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "checks.md"


def test_the_reference_page_is_what_the_models_say():
    assert PAGE.read_text(encoding="utf-8") == checks_page()


def test_every_check_has_a_section_and_the_example_is_valid():
    page = checks_page()
    assert all(f"### {kind}\n" in page for kind in CheckSpec.registry)
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    assert len(QualitySpec.model_validate(example["quality"]).checks) == 3
