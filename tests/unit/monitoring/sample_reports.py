"""Run reports of every outcome, for tests and for looking at pages."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cloud_etl.domain.ledger import BarrierCount, FileCount, OutputCount, RowLedger, StepCount, TableCount
from cloud_etl.domain.quality import CheckResult, ColumnProfile, QualityReport, TopValue
from cloud_etl.domain.run import PhaseTime, PipelineReport, Publication, PublishedFile, RunReport, SkippedFile
from cloud_etl.domain.schema import Column, ColumnType, Schema

RUN = "20260305T101112-7f3a"
STARTED = datetime(2026, 3, 5, 10, 11, 12, tzinfo=UTC)


def ledger(files=None, **changes):
    files = files or (
        FileCount(
            "s3://retail-raw/raw-data/sales_data/sales_2026-03-04.csv.gz",
            "etag1",
            41_883_120,
            600_000,
            598_000,
            2_000,
            {"too_few_fields": 1_200, "bad_timestamp": 640, "stray_quote": 160},
        ),
        FileCount(
            "s3://retail-raw/raw-data/sales_data/sales_2026-03-05.csv.gz",
            "etag2",
            28_112_004,
            400_000,
            399_900,
            100,
            {"bad_decimal": 100},
        ),
    )
    staged, rejected = sum(f.staged for f in files), sum(f.rejected for f in files)
    steps = (
        StepCount("deduplicate", "duplicate", "another row with the same order_id is kept", staged // 25),
        StepCount("drop_nulls", "null_dropped", "product_id is missing", staged // 200),
        StepCount("filter", "filtered", "test_orders", staged // 100),
        StepCount("not_null.customer_id", "rejected", "customer_id is missing", staged // 400),
        StepCount("range.quantity", "rejected", "quantity is not within 1 and 1000", staged // 900),
    )
    out = staged - sum(s.rows for s in steps)
    full = RowLedger(
        run_id=RUN,
        pipeline="sales_data",
        batch_id="a3f5" * 8,
        files=files,
        staged_footers=staged,
        quarantined=rejected,
        quarantined_by_quality=sum(s.rows for s in steps if s.status == "rejected"),
        steps=steps,
        barriers=(),
        output=out,
        outputs=(OutputCount("sales_fact", out, out, False), OutputCount("daily_sales", out, 120, True)),
        tables=(
            TableCount(
                "analytics.sales_fact",
                "sales_fact",
                "upsert",
                out,
                out,
                4_000_000,
                out,
                12_345,
                4_000_000 + out - 12_345,
            ),
            TableCount("analytics.daily_sales", "daily_sales", "upsert", 120, 120, 800, 120, 20, 900),
        ),
    )
    return replace(full, **changes)


def profile(name="amount", **changes):
    base = ColumnProfile(
        name,
        "decimal(14,2)",
        940_000,
        1_200,
        "0.10",
        "99999.00",
        81_222,
        412.337,
        (TopValue("10.00", 80_000), TopValue("25.50", 44_000), TopValue("9.99", 30_000)),
        940_000,
        True,
    )
    return replace(base, **changes)


def quality(**changes):
    base = QualityReport(
        97.4,
        (
            CheckResult(
                "not_null.customer_id",
                "not_null",
                "reject",
                ("customer_id",),
                945_000,
                2_494,
                False,
                "2,494 of 945,000 rows have no customer_id",
            ),
            CheckResult(
                "range.quantity",
                "range",
                "reject",
                ("quantity",),
                945_000,
                1_108,
                False,
                "1,108 rows are not within 1 and 1000",
            ),
            CheckResult("unique.order_id", "unique", "fail", ("order_id",), 945_000, 0, True),
            CheckResult("volume", "change", "warn", (), None, None, False, "12 % fewer rows than in the last 5 runs"),
        ),
        (
            profile(
                "order_id",
                type="string",
                nulls=0,
                minimum="A-000001",
                maximum="Z-999999",
                distinct=940_000,
                mean=None,
                top_values=(),
            ),
            profile(
                "region",
                type="string",
                nulls=9_000,
                minimum="EU",
                maximum="US",
                distinct=4,
                mean=None,
                top_values=(TopValue("EU", 500_000), TopValue("US", 300_000), TopValue("APAC", 139_000)),
            ),
            profile(),
            profile(
                "note", type="string", nulls=940_000, minimum=None, maximum=None, distinct=0, mean=None, top_values=()
            ),
            profile(
                "order_ts",
                type="timestamp",
                nulls=0,
                minimum="2026-03-04 00:00:01",
                maximum="2026-03-05 23:59:59",
                distinct=612_004,
                mean=None,
                exact=False,
                profiled_rows=100_000,
                top_values=(),
            ),
        ),
        (),
        ("volume: 12 % fewer rows than in the last 5 runs",),
    )
    return replace(base, **changes)


def publication(output="sales_fact", rows=1000, aggregated=False):
    schema = Schema((Column("order_id", ColumnType("string"), False), Column("amount", ColumnType("decimal", 14, 2))))
    files = tuple(
        PublishedFile(
            f"s3://retail/processed-data/{output}_20260305/run_{RUN}/region={r}/part-00000.parquet",
            11_200_000,
            rows // 2,
            {"region": r},
        )
        for r in ("EU", "US")
    )
    return Publication(
        output,
        f"s3://retail/processed-data/{output}_20260305/run_{RUN}/manifest.json",
        schema,
        files,
        rows,
        aggregated,
        (Path("/tmp/x.parquet"),),
    )


PHASES = (
    PhaseTime("extract", 2.31, 3.9),
    PhaseTime("transform", 4.72, 8.1),
    PhaseTime("quality", 0.61, 0.9),
    PhaseTime("publish", 0.2, 0.1),
    PhaseTime("load", 1.84, 2.2),
)


def pipeline(**changes):
    account = changes.pop("ledger", None) or ledger()
    base = PipelineReport(
        "sales_data",
        "loaded",
        0,
        account.batch_id,
        None,
        account,
        quality(),
        PHASES,
        (
            SkippedFile("raw-data/sales_data/_SUCCESS", "empty marker file"),
            *(SkippedFile(f"raw-data/sales_data/sales_2026-02-{d:02d}.csv.gz", "loaded already") for d in range(1, 29)),
        ),
        account.files,
        (publication("sales_fact", account.output), publication("daily_sales", 120, True)),
        account.tables,
        (
            f"s3://retail/quarantine/sales_data/run_{RUN}/reader-00000.parquet",
            f"s3://retail/quarantine/sales_data/run_{RUN}/quality-00000.parquet",
        ),
    )
    return replace(base, **changes)


def run(*pipelines, **changes):
    base = RunReport(
        RUN,
        "retail",
        "prod",
        "sail",
        date(2026, 3, 5),
        STARTED,
        STARTED + timedelta(seconds=9.68),
        pipelines,
        "logs/ETLPipeline_20260305_101112.log",
    )
    return replace(base, **changes)


def clean_ledger():
    files = (FileCount("file:///data/raw-data/product_data/products.parquet", None, 88_000, 5_000, 5_000, 0),)
    return RowLedger(
        RUN,
        "product_data",
        "b" * 32,
        files,
        5_000,
        0,
        0,
        (StepCount("deduplicate", "duplicate", "same product_id", 0),),
        (),
        5_000,
        (OutputCount("product_dim", 5_000, 5_000, False),),
        (TableCount("analytics.product_dim", "product_dim", "upsert", 5_000, 5_000, 0, 5_000, 0, 5_000),),
    )


def clean():
    account = clean_ledger()
    passed = tuple(replace(c, passed=True, rows_failed=c.rows_failed and 0, message="") for c in quality().checks[:3])
    return pipeline(
        pipeline="product_data",
        ledger=account,
        batch_id=account.batch_id,
        files=account.files,
        tables=account.tables,
        quality=quality(score=100.0, warnings=(), checks=passed),
        skipped=(),
        quarantine=(),
        publications=(publication("product_dim", 5000),),
    )


def nothing():
    return PipelineReport(
        "customer_data",
        "no_new_files",
        0,
        phases=(PhaseTime("extract", 0.12, 0.1),),
        skipped=tuple(SkippedFile(f"raw-data/customer_data/c{i}.jsonl", "loaded already") for i in range(31)),
    )


def refused():
    account = replace(ledger(), outputs=(), tables=())
    findings = ("score 71.2 is below 95", "8.1 % of the rows are rejected, allowed are 5 %")
    return pipeline(
        outcome="failed",
        exit_code=3,
        ledger=account,
        publications=(),
        tables=(),
        quality=quality(score=71.2, refusals=findings),
        error="the data of sales_data was refused:\n  score 71.2 is below 95\nNothing was published or loaded.",
    )


def broken():
    account = ledger()
    account = replace(account, output=account.output - 30_000, tables=(), outputs=())
    return pipeline(
        outcome="failed",
        exit_code=5,
        ledger=account,
        publications=(),
        tables=(),
        error="the row ledger of sales_data does not reconcile:\n"
        "  staged = duplicates + nulls_dropped + filtered + rejected_by_quality + output: 997,900 != 967,900\n"
        f"Nothing was published or loaded. Look at it with: cloud-etl ledger {RUN}",
    )


def barriers():
    """A join that adds rows, and an aggregate and statements that leave fewer."""
    account = ledger()
    changes = (
        BarrierCount("join customers", 900_000, 1_100_000),
        BarrierCount("sql", 1_100_000, 1_099_924),
        BarrierCount("aggregate", 1_099_924, 1_099_924),
    )
    return replace(account, barriers=changes, output=account.output + 199_924, tables=(), outputs=())


def fewer():
    """Statements that left fewer rows."""
    account = ledger()
    changes = (BarrierCount("sql", 945_000, 944_924),)
    return replace(account, barriers=changes, output=account.output - 76, tables=(), outputs=())


EVIL = "<script>alert(1)</script>"
LONG = "file:///data/" + EVIL + "/" + "x" * 300 + "\"'&{{7*7}}\x1b[31m.csv"


def hostile():
    files = (FileCount(LONG, EVIL, 10, 10, 8, 2, {EVIL: 1, "too_few_fields": 1}),)
    account = RowLedger(
        RUN,
        EVIL,
        EVIL,
        files,
        8,
        2,
        1,
        (StepCount(EVIL, "rejected", EVIL, 1),),
        (BarrierCount("sql " + EVIL, 8, 12), BarrierCount("join", 12, 8)),
        7,
        (),
        (),
    )
    check = CheckResult(EVIL * 8, EVIL, "fail", (EVIL,), None, None, False, EVIL * 9)
    column = profile(EVIL * 3, minimum=EVIL * 20, top_values=(TopValue(EVIL * 10, 5),))
    return pipeline(
        pipeline=EVIL,
        outcome="failed",
        exit_code=1,
        ledger=account,
        error=EVIL + " \u202e reversed \x1b[2J",
        quarantine=(EVIL,),
        tables=(),
        publications=(),
        skipped=(SkippedFile(LONG, EVIL),),
        quality=quality(warnings=(EVIL,), refusals=(EVIL,), profile=(column,), checks=(check,)),
    )


def large(files=10_000, columns=300):
    counts = tuple(
        FileCount(
            f"s3://retail-raw/raw-data/sales_data/2026/03/sales_{i:06d}.csv.gz",
            f"e{i}",
            1000 + i,
            100,
            99 + i % 2,
            1 - i % 2,
            {"too_few_fields": 1} if i % 2 == 0 else {},
        )
        for i in range(files)
    )
    columns = tuple(profile(f"column_{i:03d}") for i in range(columns))
    return run(pipeline(ledger=ledger(files=counts), quality=quality(profile=columns)))


ALL = {
    "happy": run(clean()),
    "rejects": run(pipeline()),
    "broken": run(broken()),
    "refused": run(refused()),
    "nothing": run(nothing()),
    "three": run(pipeline(), nothing(), refused()),
    "barriers": run(
        pipeline(ledger=barriers(), tables=(), publications=(), quality=None),
        pipeline(ledger=fewer(), tables=(), publications=(), quality=None),
    ),
    "hostile": run(hostile()),
    "empty": run(),
}
