from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.run import SkippedFile
from cloud_etl.monitoring.verdict import accounted, pipeline_verdict, run_verdict


@pytest.mark.parametrize(
    ("outcome", "exit_code", "tone", "headline"),
    [
        ("failed", 1, "bad", "The run failed"),
        ("failed", 3, "warn", "The data was refused"),
        ("failed", 4, "bad", "The run failed"),
        ("failed", 5, "bad", "The ledger does not reconcile"),
        ("failed", 6, "warn", "Another run is under way"),
        ("failed", 75, "warn", "A passing fault stopped the run; try again"),
        ("failed", 130, "warn", "The run was interrupted"),
        ("failed", 143, "warn", "The run was interrupted"),
        ("skipped", 0, "idle", "Skipped"),
        ("no_new_files", 0, "idle", "Nothing to do"),
        ("already_loaded", 0, "idle", "Nothing to do"),
        ("loaded", 0, "warn", "Loaded, but not accounted for"),
        ("loaded", 4, "bad", "The batch is loaded, and what came after it failed"),
        ("already_loaded", 75, "bad", "The batch is loaded, and what came after it failed"),
    ],
)
def test_the_verdict_of_a_pipeline_without_a_ledger(
    samples: ModuleType, outcome: str, exit_code: int, tone: str, headline: str
) -> None:
    verdict = pipeline_verdict(replace(samples.clean(), outcome=outcome, exit_code=exit_code, ledger=None))
    assert (verdict.tone, verdict.headline) == (tone, headline)


def test_every_row_is_accounted_for_only_where_every_equation_holds(samples: ModuleType) -> None:
    pipeline = samples.pipeline()
    assert pipeline_verdict(pipeline).headline == "Every row is accounted for"
    off_by_one = replace(pipeline, ledger=replace(pipeline.ledger, staged_footers=pipeline.ledger.staged_footers + 1))
    assert pipeline_verdict(off_by_one).headline == "The ledger does not reconcile"
    assert "against" in pipeline_verdict(off_by_one).detail


@pytest.mark.parametrize("outcome", ["loaded", "no_new_files"])
def test_files_left_aside_unread_are_told_and_are_refused_by_strict(samples: ModuleType, outcome: str) -> None:
    archive = SkippedFile("raw/a.zip", "archive that is not read", unreadable=True)
    ledger = samples.clean().ledger if outcome == "loaded" else None
    pipeline = replace(
        samples.clean(), outcome=outcome, ledger=ledger, skipped=(archive, replace(archive, key="b.zip"))
    )
    verdict = pipeline_verdict(pipeline)
    assert verdict.tone == "warn"
    assert "2 files left aside unread: raw/a.zip (archive that is not read), and 1 more." in verdict.detail
    report = samples.run(pipeline)
    assert (report.ended_with(strict=False), report.ended_with(strict=True)) == (0, 3)
    unharmed = replace(pipeline, skipped=(replace(archive, unreadable=False),))
    assert replace(report, pipelines=(unharmed,)).ended_with(strict=True) == 0


def test_the_account_counts_what_steps_removed_and_added(samples: ModuleType) -> None:
    assert accounted(samples.fewer()).endswith("939,338 came through, 60,662 were taken out, each with its reason.")
    assert accounted(samples.barriers()).startswith("1,000,000 records read, 200,000 rows added by steps: 1,139,338 ")


def test_the_worst_pipeline_speaks_for_the_run(samples: ModuleType) -> None:
    verdict = run_verdict(samples.run(samples.clean(), samples.nothing(), samples.broken(), samples.refused()))
    assert (verdict.tone, verdict.headline) == ("bad", "The ledger does not reconcile")
    assert verdict.detail == "4 pipelines: 1 not reconciled, 1 refused, 1 loaded, 1 without new files."


def test_loaded_outweighs_nothing_to_do(samples: ModuleType) -> None:
    assert run_verdict(samples.run(samples.nothing(), samples.clean())).headline == "Every row is accounted for"


def test_no_match_is_told_apart_from_all_loaded(samples: ModuleType) -> None:
    assert "no file matches" in pipeline_verdict(replace(samples.nothing(), skipped=())).detail
    assert "31 files looked at" in pipeline_verdict(samples.nothing()).detail


@pytest.mark.parametrize(("rejected", "tone"), [(0, "good"), (50, "good"), (51, "warn"), (160, "warn")])
def test_a_batch_with_many_rejects_is_not_green(samples: ModuleType, rejected: int, tone: str) -> None:
    file = FileCount("s3://b/a.csv", "e", 1, 1000, 1000 - rejected, rejected, {"stray_quote": rejected})
    ledger = replace(
        samples.ledger((file,)), steps=(), quarantined_by_quality=0, output=1000 - rejected, outputs=(), tables=()
    )
    verdict = pipeline_verdict(replace(samples.pipeline(), ledger=ledger))
    assert (verdict.tone, verdict.headline) == (tone, "Every row is accounted for")
    assert ("in quarantine" in verdict.detail) is (tone == "warn")


def test_one_row_was_and_two_were_taken_out(samples: ModuleType) -> None:
    for rejected, words in ((1, "1 was taken out, with its reason."), (2, "2 were taken out, each with its reason.")):
        file = FileCount("s3://b/a.csv", "e", 1, 1000, 1000 - rejected, rejected, {"stray_quote": rejected})
        assert accounted(replace(samples.ledger((file,)), steps=())).endswith(words)
