import json

import pytest

from cloud_etl.config.secrets import Resolver, is_reference, known_secrets, reference_error, resolve_environment
from cloud_etl.errors import ConfigError, SecretError

SECRETS = {"shop/key": "s3cr3t-value-1", "shop/json": json.dumps({"user": "u", "password": "p/@?w", "port": 5439})}


def fetch(name):
    try:
        return SECRETS[name]
    except KeyError:
        raise SecretError(f"secret {name} is not there") from None


def resolve(text, **environ):
    return Resolver(environ, fetch).text(text, "environments.dev.store")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain", "plain"),
        ("s3://${env:BUCKET}/x", "s3://b/x"),
        ("${env:BUCKET}${env:BUCKET}", "bb"),
        ("${env:NOTHING:-fall back}", "fall back"),
        ("${env:EMPTY:-fall back}", "fall back"),
        ("${env:NOTHING:-}", ""),
        ("${env:EMPTY}", ""),
        ("${secret:shop/key}", "s3cr3t-value-1"),
        ("${secret:shop/json#password}", "p/@?w"),
        ("${secret:shop/json#port}", "5439"),
        ("$${env:BUCKET}", "${env:BUCKET}"),
        ("$$ {} $x", "$$ {} $x"),
    ],
)
def test_references_are_replaced(written, meant):
    assert resolve(written, BUCKET="b", EMPTY="") == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${env:NOTHING}", "environments.dev.store needs the environment variable NOTHING, which is not set"),
        ("${secret:other}", "secret other is not there"),
        ("${secret:shop/json#pasword}", "wants key 'pasword' of secret shop/json, which has no such key"),
        ("${secret:shop/key#x}", "wants key 'x' of secret shop/key, which is no JSON object"),
        ("${secrt:x}", "did you mean 'secret'"),
        ("${env:A", "lacks its }"),
        ("${}", "is not understood"),
    ],
)
def test_references_that_cannot_be_resolved_say_which_and_what_to_do(written, message):
    with pytest.raises(SecretError) as caught:
        resolve(written)
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "p/@?w" not in str(caught.value)


def test_what_holds_a_secret_is_remembered_and_has_a_masked_repr():
    text = resolve("postgres://u:${secret:shop/json#password}@h/x")
    assert text == "postgres://u:p/@?w@h/x"
    assert {"p/@?w", "postgres://u:p/@?w@h/x"} <= known_secrets()
    assert "p/@?w" not in repr(text)
    assert repr(resolve("plain")) == "'plain'"


def test_a_secret_is_fetched_once_however_often_it_is_named():
    asked = []
    resolver = Resolver({}, lambda name: asked.append(name) or SECRETS[name])
    resolver.text("${secret:shop/json#user}:${secret:shop/json#password}", "a")
    resolver.text("${secret:shop/json#user}", "b")
    assert asked == ["shop/json"]


PROJECT = """\
project: shop
environments:
  local:
    store: "./${env:FOLDER}"
    s3: {secret_access_key: "${secret:shop/key}"}
    warehouse: {duckdb: {path: "${secret:shop/json#user}.duckdb"}}
  other:
    extends: local
    store: "${secret:never/fetched}"
"""


def test_an_environment_is_resolved_when_it_is_used_and_only_the_chosen_one(load):
    loaded = load(PROJECT, environ={"FOLDER": "data"})
    assert loaded.environment.store == "./${env:FOLDER}"
    environment = loaded.resolved(fetch).environment
    assert environment.store == "./data"
    assert environment.s3.secret_access_key.get_secret_value() == "s3cr3t-value-1"
    assert environment.warehouse.duckdb.path == "u.duckdb"
    assert "s3cr3t-value-1" in known_secrets()
    assert "s3cr3t" not in repr(environment)
    assert "u.duckdb" not in repr(environment)


def test_a_literal_secret_setting_is_remembered_for_redaction(load):
    loaded = load(PROJECT.replace("${secret:shop/key}", "literal-key-9"), environ={"FOLDER": "x"})
    resolve_environment(loaded.environment, {"FOLDER": "x"}, fetch)
    assert "literal-key-9" in known_secrets()


def test_a_missing_variable_names_the_setting(load):
    with pytest.raises(SecretError, match=r"environment\.store needs the environment variable FOLDER"):
        load(PROJECT).resolved(fetch)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("${env:FOLDER}", "${evn:FOLDER}", 4), ("${secret:shop/key}", "${secret:}", 5), ("${env:FOLDER}", "${env:x", 4)],
)
def test_a_reference_that_is_not_well_formed_is_told_when_the_file_is_read(load, old, new, line):
    with pytest.raises(ConfigError, match=rf"^cloud-etl.yaml:{line}: environments.local."):
        load(PROJECT.replace(old, new), environ={"FOLDER": "x"})


def test_a_reference_where_no_text_is_wanted_names_the_way_out(load):
    text = PROJECT + '    engine: {cores: "${env:CORES}"}\n'
    with pytest.raises(ConfigError, match="stand in values of type text only; set an override variable"):
        load(text)


@pytest.mark.parametrize(
    ("text", "alone"),
    [("${secret:a}", True), ("${env:A:-x}", True), ("a${env:A}", False), ("$${", False), ("x", False)],
)
def test_only_a_reference_that_stands_alone_may_be_shown(text, alone):
    assert is_reference(text) is alone
    assert reference_error(text) is None
