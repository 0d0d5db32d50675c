"""What the storage layer raises, in the words of Redshift."""

from __future__ import annotations

import pytest

from cloud_etl.errors import CloudEtlError, ObjectMissingError, SourceError, TemporaryError
from cloud_etl.local_aws.redshift.copy.failures import s3_failures
from cloud_etl.local_aws.redshift.port import RedshiftError


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (
            SourceError("s3://b/k: AccessDenied. The credentials lack ..."),
            "Access Denied,Status 403,Error AccessDenied",
        ),
        (SourceError("s3://b/k: access denied (status 403)."), "Access Denied,Status 403,Error AccessDenied"),
        (SourceError("s3://b/k: NoSuchBucket."), "The specified bucket does not exist,Status 404,Error NoSuchBucket"),
        (SourceError("s3://b/k: ExpiredToken."), "The provided token has expired.,Status 400,Error ExpiredToken"),
        (
            ObjectMissingError("s3://b/k does not exist."),
            "The specified key does not exist.,Status 404,Error NoSuchKey",
        ),
        (
            TemporaryError("s3://b/k: status 503, also after tries."),
            "reduce your request rate.,Status 503,Error SlowDown",
        ),
        (TemporaryError("s3://b/k: cut the connection"), "The request to S3 failed.,Status 500,Error InternalError"),
    ],
)
def test_an_error_of_s3_keeps_its_code_and_status(raised: CloudEtlError, text: str) -> None:
    with pytest.raises(RedshiftError) as caught, s3_failures("Reading - "):
        raise raised
    assert caught.value.message.startswith("Reading - S3ServiceException:")
    assert text in caught.value.message
    assert caught.value.__cause__ is raised
