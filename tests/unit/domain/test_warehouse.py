from __future__ import annotations

import pytest
from pydantic import ValidationError

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.warehouse import RedshiftSpec, WarehouseSpec

ROLE = "arn:aws:iam::123456789012:role/etl/copy"
PASSWORD = {"host": "h", "user": "u", "auth": {"password": "p"}}


def redshift(**settings):
    return RedshiftSpec.model_validate({"database": "dev", **PASSWORD, **settings})


@pytest.mark.parametrize(
    ("warehouse", "message"),
    [
        ({}, "name the kind of warehouse: one of duckdb, redshift"),
        (
            {"duckdb": {"path": "w"}, "redshift": {"database": "dev", **PASSWORD}},
            "one warehouse, not duckdb and redshift; .* write `duckdb: null`",
        ),
    ],
)
def test_an_environment_has_exactly_one_warehouse(warehouse, message):
    with pytest.raises(ValidationError, match=message):
        WarehouseSpec.model_validate(warehouse)


def test_the_warehouse_of_the_base_is_left_by_null():
    spec = WarehouseSpec.model_validate({"duckdb": None, "redshift": {"database": "dev", **PASSWORD}})
    assert spec.kind == "redshift"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auth": {}}, "exactly one of secret, password, iam, serverless, and none is there"),
        ({"auth": {"password": "p", "serverless": {"workgroup": "w"}}}, "not password and serverless together"),
        ({"auth": {"iam": {"cluster_identifier": "c"}}}, "iam needs db_user, or with_iam"),
        ({"auth": {"iam": {"cluster_identifier": "c", "db_user": "u", "with_iam": True}}}, "leave db_user out"),
        ({"transport": "data_api"}, r"data_api logs in by auth\.iam or auth\.serverless"),
        ({"host": None}, "needs host and user"),
        ({"copy_role": "etl'; DROP TABLE x"}, "copy_role is `default`, the ARN"),
        ({"copy_role": f"{ROLE}, {ROLE}"}, "chained by commas without blanks"),
        ({"query_group": "a'b"}, "query_group"),
        ({"varchar_headroom": 0.5}, "varchar_headroom"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        redshift(**settings)


@pytest.mark.parametrize("role", ["default", ROLE, f"{ROLE},{ROLE}", "${env:ROLE}"])
def test_roles_are_taken_as_redshift_takes_them(role):
    assert redshift(copy_role=role).copy_role == role


def test_tls_is_verified_in_full_unless_told_otherwise():
    assert redshift().tls.mode == "verify-full"


def test_passwords_are_in_no_repr():
    assert "geheim" not in repr(redshift(auth={"password": "geheim"}))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"diststyle": "key"}, "diststyle key needs distkey"),
        ({"diststyle": "all", "distkey": "id"}, "distkey goes with diststyle key, not all"),
        ({"sortstyle": "interleaved", "sortkey": list("abcdefghi")}, "at most 8 columns"),
        ({"comment": "a\\b"}, "no backslash"),
        ({"comments": {"id": "a\0b"}}, "no NUL"),
        ({"encode": {"id": "gzip"}}, "encode"),
    ],
)
def test_a_layout_that_redshift_has_not_is_refused(layout, message):
    with pytest.raises(ValidationError, match=message):
        LoadSpec.model_validate({"table": "s.t", **layout})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"session_token": "t"}, "session_token goes with"),
        ({"profile": "p", "access_key_id": "a", "secret_access_key": "b"}, "two sources of credentials"),
        ({"kms_key_id": "k"}, "goes with encryption: sse-kms"),
    ],
)
def test_s3_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        S3Spec.model_validate(settings)
