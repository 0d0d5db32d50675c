"""Who signed a request: AWS's signature, version 4, in the header or in a presigned address.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNATURE = "X-Amz-Signature"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for.

    Attributes:
        path: as it was sent, with its percent signs.
        query: as it was sent, without the question mark.
        headers: by name in lower case.
        body: gives the body; asked for only where the signature needs it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Callable[[], bytes]


def is_signed(request: Request, secret_of: Callable[[str], str | None]) -> bool:
    """Whether the request was signed with the secret that belongs to the key it names.

    Args:
        request: what was asked for.
        secret_of: gives the secret of an access key, None for one that is not known.
    """
    claims = _claims(request)
    credential = claims.get("Credential", "").split("/")
    signature, names = claims.get("Signature", ""), claims.get("SignedHeaders", "").split(";")
    if len(credential) != 5 or not signature or "host" not in names:
        return False
    access_key, *scope = credential
    secret = secret_of(access_key)
    if secret is None:
        return False
    hashed = hashlib.sha256(_canonical(request, names, scope[2], "Presigned" in claims).encode()).hexdigest()
    text = "\n".join([_ALGORITHM, claims.get("Date", ""), "/".join(scope), hashed])
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest().encode(), signature.encode())


def _claims(request: Request) -> dict[str, str]:
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    if kind == _ALGORITHM:
        claims = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        return claims | {"Date": request.headers.get("x-amz-date", "")}
    given = dict(parse_qsl(request.query))
    if given.get("X-Amz-Algorithm") != _ALGORITHM:
        return {}
    names = ("Credential", "SignedHeaders", "Signature", "Date")
    return {name: given.get(f"X-Amz-{name}", "") for name in names} | {"Presigned": "yes"}


def _canonical(request: Request, names: list[str], service: str, presigned: bool) -> str:
    # Every service but S3 wants the path encoded once more.
    path = request.path if service == "s3" else quote(request.path, safe="/~")
    pairs = sorted(part.partition("=")[::2] for part in request.query.split("&") if part)
    query = "&".join(f"{name}={value}" for name, value in pairs if name != _SIGNATURE)
    headers = "".join(f"{name}:{re.sub(' +', ' ', request.headers.get(name, '').strip())}\n" for name in names)
    payload = _UNSIGNED if presigned else request.headers.get("x-amz-content-sha256")
    if payload is None:
        payload = hashlib.sha256(request.body()).hexdigest()
    return "\n".join([request.method, path or "/", query, headers, ";".join(names), payload])
