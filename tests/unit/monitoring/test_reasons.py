from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.rejects import REJECT_HELP, RejectCode
from cloud_etl.monitoring.reasons import checks_passed, file_notes, reject_reasons, replaced_groups


def test_the_causes_of_a_pipeline_add_up_to_its_rejects(samples: ModuleType) -> None:
    for report in samples.ALL.values():
        for one in report.pipelines:
            rejected = one.ledger.rejected if one.ledger else sum(file.rejected for file in one.files)
            assert sum(reason.rows for reason in reject_reasons(one)) == rejected


def test_a_cause_names_its_column_and_what_helps(samples: ModuleType) -> None:
    columns = {"bad_integer": {"quantity": 3, "product_id": 1}}
    file = FileCount("s3://b/a.csv", "e", 1, 9, 3, 6, {"bad_integer": 4, "stray_quote": 2}, columns=columns)
    one = replace(samples.pipeline(), ledger=None, files=(file, file))
    reasons = [(reason.code, reason.column, reason.rows) for reason in reject_reasons(one)]
    assert reasons == [("bad_integer", "quantity", 6), ("stray_quote", "", 4), ("bad_integer", "product_id", 2)]
    assert reject_reasons(one)[0].remedy == REJECT_HELP[RejectCode.BAD_INTEGER].remedy


def test_a_code_of_another_version_is_shown_without_help(samples: ModuleType) -> None:
    file = FileCount("s3://b/a.csv", "e", 1, 9, 8, 1, {"of_tomorrow": 1})
    (reason,) = reject_reasons(replace(samples.pipeline(), ledger=None, files=(file,)))
    assert (reason.code, reason.meaning, reason.remedy) == ("of_tomorrow", "", "")


def test_checks_that_looked_at_no_row_have_not_passed(samples: ModuleType) -> None:
    quality = samples.quality()
    none = replace(quality, checks=tuple(replace(check, rows_checked=0, passed=True) for check in quality.checks))
    assert checks_passed(none) == "no row reached the 4 checks"
    assert checks_passed(replace(none, checks=(*none.checks[:3], quality.checks[3]))).endswith("3 looked at no row")
    assert "no checks" in checks_passed(replace(quality, checks=()))


def test_notes_are_counted_over_files(samples: ModuleType) -> None:
    noted = FileCount("s3://b/a.csv", "e", 1, 9, 9, 0, notes=("columns dropped: 'x'",))
    one = replace(samples.pipeline(), ledger=None, files=(noted, noted, replace(noted, notes=())))
    assert file_notes(one) == (("columns dropped: 'x'", 2),)


def test_groups_that_a_batch_replaced_are_named(samples: ModuleType) -> None:
    one = samples.pipeline()
    assert dict(replaced_groups(one)) == {"analytics.daily_sales": 20}
