"""Sessions through the Redshift Data API: no route to the cluster, no connection that can break."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloud_etl import interrupts
from cloud_etl.domain.patience import waiting
from cloud_etl.errors import RunInterruptedError
from cloud_etl.load.redshift.credentials import aws_client, aws_errors
from cloud_etl.load.redshift.transport import Answer, Fault

if TYPE_CHECKING:
    from cloud_etl.domain.warehouse import RedshiftSpec

_PASSING = {
    "ActiveStatementsExceededException", "ActiveSessionsExceededException", "ThrottlingException", "Throttling",
    "InternalServerException", "ServiceUnavailable", "TooManyRequestsException",
}  # fmt: skip
_ENDED = ("FINISHED", "FAILED", "ABORTED")
_SLOWEST_POLL_SECONDS = 2.0
_FIRST_POLL_SECONDS = 0.05


class DataApiTransport:
    """A session of the Data API: temporary tables and transactions live as long as it is kept alive."""

    def __init__(self, spec: RedshiftSpec) -> None:
        """Store the settings and make a client; the first statement begins the session.

        Raises:
            TargetError: there are no AWS credentials, or no region.
        """
        place = spec.auth.iam or spec.auth.serverless
        if place is None:
            raise TypeError("the Data API logs in by auth.iam or auth.serverless")
        self._target: dict[str, str] = {"Database": spec.database}
        if spec.auth.iam is not None:
            self._target["ClusterIdentifier"] = spec.auth.iam.cluster_identifier
            if spec.auth.iam.db_user and not spec.auth.iam.secret_arn:
                self._target["DbUser"] = spec.auth.iam.db_user
        if spec.auth.serverless is not None:
            self._target["WorkgroupName"] = spec.auth.serverless.workgroup
        if place.secret_arn:
            self._target["SecretArn"] = place.secret_arn
        self._statement_seconds = spec.statement_timeout_seconds
        self._keep_alive = min(86_400, spec.statement_timeout_seconds)
        self._session: str | None = None
        with aws_errors(self.name, "redshift-data:ExecuteStatement"):
            # Any: boto3 makes its clients at run time.
            self._client: Any = aws_client("redshift-data", spec, place)

    @property
    def name(self) -> str:
        """Cluster or workgroup, for messages."""
        return self._target.get("ClusterIdentifier") or self._target["WorkgroupName"]

    def run(self, sql: str, values: Sequence[object] = ()) -> Answer | Fault:
        """Run one statement in the session and wait for its end."""
        from botocore.exceptions import BotoCoreError, ClientError

        text, parameters = named(sql, values)
        request: dict[str, Any] = {"Sql": text, "ClientToken": uuid.uuid4().hex}
        request |= {"Parameters": parameters} if parameters else {}
        request |= self._target if self._session is None else {"SessionId": self._session}
        try:
            started = self._client.execute_statement(**request, SessionKeepAliveSeconds=self._keep_alive)
            self._session = started.get("SessionId") or self._session
            # The server ends it by then.
            with waiting(f"Redshift to answer {sql.split(maxsplit=1)[0]}", self._statement_seconds):
                ended = self._wait(started["Id"], interrupts.pause if sql != "COMMIT" else time.sleep)
            if ended["Status"] != "FINISHED":
                return _failed(ended.get("Error") or f"the statement was {ended['Status'].lower()}")
            rows = list(self._rows(started["Id"])) if ended.get("HasResultSet") else []
        except ClientError as exc:
            answer = exc.response.get("Error", {})
            return _refused(answer.get("Code", "unknown"), answer.get("Message", ""))
        except BotoCoreError as exc:
            return Fault("", type(exc).__name__, is_lost=True)
        return Answer(rows, ended.get("ResultRows", -1))

    def close(self) -> None:
        """End the session, which rolls back what is open; one that is gone already is fine."""
        if self._session is None:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        session, self._session = self._session, None
        try:
            self._client.execute_statement(Sql="ROLLBACK", SessionId=session, SessionKeepAliveSeconds=0)
        except (ClientError, BotoCoreError):
            return

    def _wait(self, statement: str, wait: Callable[[float], None]) -> dict[str, Any]:
        pause = _FIRST_POLL_SECONDS
        try:
            while True:
                described: dict[str, Any] = self._client.describe_statement(Id=statement)
                if described["Status"] in _ENDED:
                    return described
                wait(pause)
                pause = min(_SLOWEST_POLL_SECONDS, pause * 1.5)
        except RunInterruptedError:
            self._cancel(statement)
            raise

    def _cancel(self, statement: str) -> None:
        """End a statement that nobody waits for any more: it would hold its locks until it is done."""
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(ClientError, BotoCoreError):
            self._client.cancel_statement(Id=statement)

    def _rows(self, statement: str) -> Iterator[tuple[object, ...]]:
        request = {"Id": statement}
        while True:
            page = self._client.get_statement_result(**request)
            for record in page["Records"]:
                yield tuple(_value(cell) for cell in record)
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]


def _failed(text: str) -> Fault:
    """A statement that was run and refused; the API passes on one text and no SQLSTATE."""
    message, _, detail = text.partition("\n")
    return Fault("", message.removeprefix("ERROR: "), detail)


def _refused(code: str, text: str) -> Fault:
    """A request that the API itself refused."""
    message = f"{code}: {text}"
    is_lost = code in ("ResourceNotFoundException", "ValidationException") and "session" in message.lower()
    return Fault("", message, is_lost=is_lost, is_passing=code in _PASSING)


def _value(cell: dict[str, object]) -> object:
    return None if cell.get("isNull") else next(value for key, value in cell.items() if key != "isNull")


def named(sql: str, values: Sequence[object]) -> tuple[str, list[dict[str, str]]]:
    """A statement with `:p1` for `?`, and its parameters; NULL and '', which the API cannot pass, are written out."""
    if not values:
        return sql, []
    parts = sql.split("?")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(values)} values for {len(parts) - 1} places")
    text, parameters = parts[0], []
    for number, (value, rest) in enumerate(zip(values, parts[1:], strict=True), 1):
        if value is None or value == "":
            text += f"NULL{rest}" if value is None else f"''{rest}"
            continue
        text += f":p{number}{rest}"
        parameters.append({"name": f"p{number}", "value": _text(value)})
    return text, parameters


def _text(value: object) -> str:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
