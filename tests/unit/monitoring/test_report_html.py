from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import ModuleType
from xml.etree import ElementTree

import pytest

from cloud_etl.domain.run import RunReport
from cloud_etl.monitoring.report import render_html

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Texts of the page in order, and whether each tag is closed where it belongs."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.lines: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.svg = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and self.open and self.open[-1] != "style":
            self.lines.append(f"{self.open[-1]}: {text}")


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_of_a_run_reads_as_reviewed(samples: ModuleType, matches_snapshot: Callable[[str, str], None]) -> None:
    page = render_html(samples.run(samples.pipeline(), samples.nothing(), samples.refused()))
    matches_snapshot("report.outline.txt", "\n".join(outline(page).lines) + "\n")


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("happy", "Every row is accounted for"),
        ("rejects", "Every row is accounted for"),
        ("broken", "The ledger does not reconcile"),
        ("refused", "The data was refused"),
        ("nothing", "Nothing to do"),
        ("three", "The data was refused"),
        ("barriers", "Every row is accounted for"),
        ("hostile", "The run failed"),
        ("empty", "Nothing to do"),
    ],
)
def test_the_headline_is_the_verdict(samples: ModuleType, name: str, headline: str) -> None:
    lines = outline(render_html(samples.ALL[name])).lines
    assert [line for line in lines if line.startswith("h1: ")] == [f"h1: {headline}"]


def test_the_page_needs_nothing_else(samples: ModuleType) -> None:
    for report in samples.ALL.values():
        page = render_html(report)
        parsed = outline(page)
        names = {tag for tag, _ in parsed.tags}
        assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        for _, attributes in parsed.tags:
            assert not {"src", "srcset", "action", "xlink:href", "style"} & set(attributes)
            assert not any(name.startswith("on") for name in attributes)
            assert (attributes.get("href") or "#").startswith("#")
        style = page[page.index("<style>") : page.index("</style>")]
        assert "url(" not in style and "@import" not in style


def test_hostile_names_are_shown_and_do_nothing(samples: ModuleType) -> None:
    page = render_html(samples.run(samples.hostile(), project=samples.EVIL, log_file=samples.EVIL, engine=samples.EVIL))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "{{7*7}}" in page and "49" not in re.sub(r"<style>.*</style>", "", page, flags=re.S)
    assert "\x1b" not in page


def test_what_steps_removed_and_added_makes_the_sums_add_up(samples: ModuleType) -> None:
    lines = "\n".join(outline(render_html(samples.ALL["barriers"])).lines)
    assert "dt: Added by steps\ndd: 200,000\nsmall: 20.0 %\ndt: Came through\ndd: 1,139,338\nsmall: 113.9 %" in lines
    assert "dd: 939,338\nsmall: 93.9 %\ndt: Taken out, with a reason\ndd: 60,662\nsmall: 6.1 %" in lines
    assert "td: sql\ntd: removed\ntd: 945,000 rows before, 944,924 after\ntd: 76" in lines
    assert lines.count("p: Shares are of the records read") == 1
    assert "th: Added" in lines and "Added" not in "".join(outline(render_html(samples.ALL["three"])).lines)


def test_pictures_are_well_formed_and_say_what_they_show(samples: ModuleType) -> None:
    page = render_html(samples.run(samples.pipeline()))
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(pictures) > 10
    for picture in pictures:
        element = ElementTree.fromstring(picture)
        assert element.get("aria-hidden") == "true" or element.find("title") is not None
    assert "<title>Duplicates: 39,916</title>" in page
    assert "<title>DataQualityScore 97.4 of 100</title>" in page


def test_a_long_list_of_files_is_cut_with_those_that_have_rejects_first(samples: ModuleType) -> None:
    began = time.process_time()
    page = render_html(samples.large())
    assert time.process_time() - began < 1
    assert len(page) < 3_000_000
    assert "… and 9,900 files more; report.json has them all." in page
    assert page.count('td class="name mono">s3://retail-raw') == 100
    assert "sales_000001" not in page and "sales_000002" in page
    assert "10,000 of 10,000 hold" in page


def test_a_file_whose_equation_fails_is_shown_among_thousands(samples: ModuleType) -> None:
    files = list(samples.large(files=50, columns=1).pipelines[0].ledger.files)
    files[40] = replace(files[40], staged=files[40].staged - 1)
    page = render_html(samples.run(samples.pipeline(ledger=samples.ledger(files=tuple(files)))))
    lines = outline(page).lines
    assert "td: 49 of 50 hold; sums" in lines and "span: 1 do not" in lines
    assert lines.count(f"td: {files[40].uri}") == 2


def test_commands_for_the_rejects_name_run_pipeline_and_code(samples: ModuleType) -> None:
    page = render_html(samples.run(samples.pipeline()))
    assert f"cloud-etl quarantine show {samples.RUN} --pipeline sales_data --code too_few_fields" in page
    assert "quarantine show" not in render_html(samples.run(samples.clean()))


def test_a_code_of_another_version_does_not_break_the_page(samples: ModuleType) -> None:
    files = (replace(samples.ledger().files[0], codes={"not_yet_invented": 2_000}),)
    assert "not_yet_invented" in render_html(samples.run(samples.pipeline(ledger=samples.ledger(files=files))))


def test_a_run_that_failed_before_its_ledger_shows_error_and_files(samples: ModuleType) -> None:
    failed = replace(samples.pipeline(), outcome="failed", exit_code=4, ledger=None, quality=None, error="disk is full")
    report: RunReport = samples.run(failed)
    lines = outline(render_html(report)).lines
    assert "p: disk is full" in lines and "h3: Files" in lines and "h3: Where each row went" not in lines
