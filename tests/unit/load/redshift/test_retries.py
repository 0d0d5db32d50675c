"""What is tried again, what is not, and how a commit without an answer is settled."""

from __future__ import annotations

import re

import pytest

from cloud_etl.domain import patience
from cloud_etl.errors import ConnectionLostError, LedgerError, TargetError, TemporaryError, UnreachableError
from cloud_etl.load.redshift.retry import Backoff, Retries
from cloud_etl.load.redshift.transport import Answer, Fault

SERIALIZABLE = Fault("XX000", "1023", "Serializable isolation violation on table - 100, transactions forming the cycle")
LOST = Fault("", "InterfaceError: BrokenPipe", is_lost=True)
ROW = {
    "pg_last_copy_count": (1,), r"FROM cloud_etl_copied_1$": (1,), r'count\(\*\) FROM "shop"\."sales"$': (1,),
    "^INSERT INTO \"shop\"": Answer([], 1),
}  # fmt: skip


@pytest.fixture
def load(script, new_loader, shop):
    """Loads one row into a table that is there."""
    script.tables["shop.sales"] = [("id", "integer", "YES", None, None, None, None)]
    seen = []

    def load(answers: dict[str, object], before_commit=seen.append, **settings: int):
        script.answers = answers | {pattern: row for pattern, row in ROW.items() if pattern not in answers}
        return new_loader(**settings).load(shop.request(shop.task(shop.schema(id="integer"), [(1,)])), before_commit)

    load.seen = seen
    return load


def count(script, pattern):
    return sum(bool(re.search(pattern, sql)) for sql in script.sent)


@pytest.mark.parametrize("statement", ["^LOCK", '^INSERT INTO "shop"', "^COMMIT"])
@pytest.mark.parametrize(
    "fault", [SERIALIZABLE, Fault("40P01", "deadlock detected"), Fault("40001", "could not serialize")]
)
def test_a_transaction_that_met_another_is_tried_again_without_a_second_copy(script, load, statement, fault):
    row = Answer([], 1)
    result = load({statement: [fault, fault, row]})
    assert not result.already_loaded
    assert result.tables[0].inserted == 1
    assert (count(script, "^BEGIN"), count(script, "^ROLLBACK"), count(script, "^COPY")) == (3, 2, 1)
    assert script.opened == 1


@pytest.mark.parametrize("statement", ["^COPY", "^BEGIN", '^INSERT INTO "shop"', "etl_loaded_files VALUES"])
def test_a_connection_lost_before_the_commit_is_tried_again_on_a_new_one(script, load, statement):
    result = load({statement: [LOST, Answer([], 1)]})
    assert not result.already_loaded
    assert script.opened == 2


def test_a_connection_lost_at_the_commit_is_settled_by_the_ledger_under_lock(script, load):
    ledger = "SELECT run_id FROM cloud_etl.etl_load_ledger"
    result = load({"^COMMIT": [LOST, Answer([])], ledger: [None, None, ("run-1",)]})
    assert not result.already_loaded
    assert (result.loaded_by_run, result.tables[0].inserted, len(load.seen)) == ("run-1", 1, 1)
    assert (script.opened, count(script, "^COPY"), count(script, '^INSERT INTO "shop"')) == (2, 1, 1)
    asked = script.sent[script.sent.index("(close)") :]
    assert [sql for sql in asked if re.match("BEGIN|LOCK|SELECT run_id|COMMIT", sql)] == [
        "BEGIN",
        'LOCK "shop"."sales"',
        "SELECT run_id FROM cloud_etl.etl_load_ledger WHERE pipeline = ? AND batch_id = ?",
        "COMMIT",
    ]


def test_a_commit_that_did_not_come_through_is_made_again(script, load):
    result = load({"^COMMIT": [LOST, Answer([]), Answer([])]})
    assert not result.already_loaded
    assert (script.opened, count(script, "^COPY"), len(load.seen)) == (2, 2, 2)


def test_a_commit_that_another_run_made_is_no_load_of_ours(script, load):
    result = load({"^COMMIT": [SERIALIZABLE, Answer([])], "SELECT run_id": [None, None, ("run-2",)]})
    assert (result.already_loaded, result.loaded_by_run, result.tables) == (True, "run-2", ())


def test_a_commit_that_nobody_answers_for_is_said_to_be_unknown(script, load):
    with pytest.raises(ConnectionLostError, match=r"It is not known whether batch .* is loaded") as caught:
        load({"^COMMIT": LOST, "SET query_group": [Answer([]), LOST]})
    assert "nothing is loaded twice" in str(caught.value)


def test_a_server_that_restarts_in_a_load_is_waited_for(script, load):
    script.unreachable = [1, 1]
    result = load({"^COPY": [LOST, Answer([], 1)]})
    assert not result.already_loaded
    assert (script.opened, script.unreachable) == (2, [])


def test_a_commit_without_an_answer_is_unknown_where_the_server_cannot_be_reached_since(script, load):
    script.unreachable = [1] * 9
    with pytest.raises(ConnectionLostError, match=r"It is not known whether batch .* is loaded"):
        load({"^COMMIT": LOST})


def test_a_server_that_never_answered_is_not_waited_for(script, load):
    script.unreachable = [0, 0]
    with pytest.raises(UnreachableError, match="Connection refused"):
        load({})
    assert script.unreachable == [0]


def test_a_passing_fault_that_stays_is_passed_on_after_the_last_try(script, load):
    with pytest.raises(TemporaryError, match="met another transaction: 1023; Serializable isolation violation"):
        load({'^INSERT INTO "shop"': SERIALIZABLE}, retries=4)
    assert count(script, "^BEGIN") == 5
    assert script.opened == 1


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault("42501", "permission denied for relation sales"), TargetError, "Grant it to this user"),
        (Fault("57014", "Query cancelled on user's request"), TargetError, "Raise statement_timeout_seconds"),
        (Fault("22003", "Overflow, value '771177' is out of range"), TargetError, "a value does not fit"),
        (Fault("42703", 'column "x" does not exist'), TargetError, 'column "x" does not exist'),
    ],
)
def test_other_faults_are_not_tried_again_and_show_no_values(script, load, fault, kind, message):
    with pytest.raises(kind, match=message) as caught:
        load({'^INSERT INTO "shop"': fault})
    assert not isinstance(caught.value, TemporaryError)
    assert str(caught.value).startswith("loading shop.sales stopped: ")
    assert "nothing was loaded" in str(caught.value)
    assert "771177" not in str(caught.value)
    assert (count(script, "^BEGIN"), count(script, "^ROLLBACK"), count(script, "^COMMIT")) == (1, 1, 0)


def test_an_error_of_the_pipeline_rolls_back_and_is_passed_on(script, load):
    def refuse(counts):
        raise LedgerError("planted")

    with pytest.raises(LedgerError, match="planted"):
        load({}, refuse)
    assert (count(script, "^ROLLBACK"), count(script, "^COMMIT")) == (1, 0)


def test_an_interruption_ends_the_session_without_waiting_for_a_rollback(script, load):
    def interrupt(counts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load({}, interrupt)
    assert script.sent[-1] == "(close)"
    assert "ROLLBACK" not in script.sent


def test_a_table_made_by_another_load_meanwhile_is_looked_at_again(script, new_loader, shop):
    def appear():
        script.tables["shop.sales"] = [("id", "integer", "YES", None, None, None, None)]

    script.then = {"^LOCK": appear}
    script.answers = dict(ROW)
    new_loader().load(shop.request(shop.task(shop.schema(id="integer"), [(1,)])), lambda counts: None)
    locks = [sql for sql in script.sent if sql.startswith("LOCK")]
    assert locks == ['LOCK "cloud_etl"."etl_load_ledger"', 'LOCK "shop"."sales"']


def test_copy_that_counts_otherwise_than_the_footers_stops_the_load(script, load):
    with pytest.raises(
        LedgerError, match="the footers hold 1 rows, Redshift says it copied 0, and the staging table"
    ) as caught:
        load({"pg_last_copy_count": (0,)})
    assert caught.value.exit_code == 5
    assert "BEGIN" not in script.sent


TOO_LONG = "The length of the data column name is longer than the length defined in the table. Table: 8, Data: 9"
COPY = Fault(
    "XX000",
    "Spectrum Scan Error",
    "\n  -----\n  error:  Spectrum Scan Error\n  code:      15001\n"
    f"  context:   {TOO_LONG}\n  query:     7\n  location:  dory_util.cpp:1509\n  -----\n",
)
DETAIL = ("s3://lake/processed-data/out-0.parquet", "name", "varchar", "8", 15001, "Too long")


def test_a_failed_copy_tells_file_column_and_reason_from_the_load_errors(script, load):
    with pytest.raises(TargetError) as caught:
        load({"^COPY": COPY, "sys_load_error_detail": DETAIL})
    assert str(caught.value) == (
        f"COPY of out for shop.sales stopped: Spectrum Scan Error; 15001; {TOO_LONG}; "
        "out-0.parquet, column name varchar(8), error 15001: Too long. "
        "Nothing was loaded. Widen the column, or cut the value in transform."
    )
    assert "BEGIN" not in script.sent


def test_load_errors_of_older_clusters_are_read_from_their_own_table(script, load):
    missing = Fault("42P01", 'relation "sys_load_error_detail" does not exist')
    with pytest.raises(TargetError, match=r"out-0\.parquet, column name varchar\(8\), error 1204: Char length exceeds"):
        load(
            {
                "^COPY": COPY,
                "sys_load": missing,
                "stl_load_errors": (*DETAIL[:4], 1204, "Char length exceeds DDL length"),
            }
        )


def test_values_in_load_errors_are_left_out(script, load):
    bad = (*DETAIL[:4], 1207, "Invalid digit, Value '771177', Pos 0, Type: Integer")
    with pytest.raises(TargetError) as caught:
        load({"^COPY": Fault("XX000", "Load into table failed."), "sys_load": bad})
    assert "771177" not in str(caught.value)
    assert "Invalid digit" in str(caught.value)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (
            "User arn:aws:redshift:x is not authorized to assume IAM Role arn:aws:iam::1:role/r",
            "Attach copy_role to the cluster",
        ),
        (
            "S3ServiceException:Access Denied,Status 403,Error AccessDenied",
            r"Let copy_role read the store: s3:GetObject",
        ),
        ("S3ServiceException:The bucket must be addressed ...,Status 301,Error PermanentRedirect", "own region only"),
        ("S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey", "is gone or was changed"),
        ("Spectrum Scan Error: HTTP response error code: 416", "is gone or was changed"),
        ("Mandatory url is not present in manifest file.", "is gone or was changed"),
        ("unmatched number of columns between table and file. Table columns: 2, Data columns: 3", "were changed after"),
    ],
)
def test_a_failed_copy_says_what_to_do(script, load, message, remedy):
    with pytest.raises(TargetError, match=f"Nothing was loaded.*{remedy}"):
        load({"^COPY": Fault("XX000", message)})


def test_a_busy_s3_is_tried_again(script, load):
    busy = Fault("XX000", "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown")
    assert not load({"^COPY": [busy, busy, Answer([])]}).already_loaded
    assert (script.opened, count(script, "^COPY")) == (3, 3)


def test_no_try_begins_when_the_time_for_all_of_them_is_used_up(monkeypatch):
    waited: list[float] = []
    clock = iter(range(0, 10_000, 250))
    monkeypatch.setattr(patience.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(patience.interrupts, "pause", waited.append)
    retries = Retries(Backoff(retries=100, budget_seconds=600))
    error = ConnectionLostError("planted")
    with pytest.raises(ConnectionLostError, match="planted"):
        for _ in range(100):
            retries.wait(error)
    assert len(waited) == 2
