"""SET, RESET and SHOW of the session parameters that Redshift has and PostgreSQL has not."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.statement import Rewritten
from cloud_etl.local_aws.redshift.dialect.tokens import (
    SPACE,
    STRING,
    WORD,
    Token,
    Tokens,
    literal,
    significant,
    sql_of,
    tokenize,
)

# With their defaults, as SHOW gives them on a new cluster.
REDSHIFT_PARAMETERS = {
    "analyze_threshold_percent": "10",
    "cast_super_null_on_error": "off",
    "compile_code_option": "default",
    "default_geometry_encoding": "1",
    "describe_field_name_in_uppercase": "off",
    "downcase_delimited_identifier": "on",
    "enable_case_sensitive_identifier": "off",
    "enable_case_sensitive_super_attribute": "off",
    "enable_numeric_rounding": "off",
    "enable_result_cache_for_session": "on",
    "enable_vacuum_boost": "off",
    "error_on_nondeterministic_update": "off",
    "json_serialization_enable": "off",
    "json_serialization_parse_nested_strings": "off",
    "max_concurrency_scaling_clusters": "1",
    "max_cursor_result_set_size": "default",
    "mv_enable_aqmv_for_session": "on",
    "navigate_super_null_on_error": "on",
    "parse_super_null_on_error": "off",
    "pg_federation_repeatable_read": "on",
    "query_group": "default",
    "session_query_group": "default",
    "spectrum_enable_pseudo_columns": "on",
    "spectrum_query_maxerror": "-1",
    "stored_proc_log_min_messages": "log",
    "timeout": "0",
    "use_fips_ssl": "off",
    "wlm_query_slot_count": "1",
}
CATALOG_PATH = "redshift_catalog, pg_catalog"
DEFAULT_PATH = f'"$user", public, {CATALOG_PATH}'


def set_parameter(tokens: Tokens) -> Rewritten:
    """SET of one of Redshift's parameters, or of the search path, which keeps the catalogue at its end."""
    solid = significant(tokens)
    at = 2 if tokens[solid[1]].upper in ("SESSION", "LOCAL") and len(solid) > 2 else 1
    name = tokens[solid[at]].name
    if name in REDSHIFT_PARAMETERS:
        value = _value(tokens[solid[at + 1] + 1 :]) if len(solid) > at + 2 else ""
        made = [*tokens[: solid[at]], Token(WORD, f"redshift.{name}"), *tokens[solid[at] + 1 :]]
        return Rewritten(made, settings=((name, value),))
    if name == "search_path":
        return Rewritten(with_catalog(tokens))
    if name == "standard_conforming_strings":
        # Redshift has no other way to read a backslash; the catalogue's functions and the lexer rely on it.
        return Rewritten(tokenize("SELECT WHERE false"), tag="SET")
    return Rewritten(tokens)


def with_catalog(tokens: Tokens) -> Tokens:
    """A list of schemas after SET search_path, with the catalogue's at its end."""
    if tokens[significant(tokens)[-1]].upper == "DEFAULT":
        return tokens
    return [*_split_strings(tokens), Token(WORD, f", {CATALOG_PATH}")]


def _split_strings(tokens: Tokens) -> Tokens:
    """`'a, b'` is a list in Redshift, a single name in PostgreSQL."""
    made = Tokens()
    for token in tokens:
        inner = token.text[1:-1] if token.kind == STRING else ""
        names = [name.strip().strip('"') for name in inner.split(",")]
        made += tokenize(", ".join(literal(name) for name in names)) if token.kind == STRING else [token]
    return made


def _value(tokens: Sequence[Token]) -> str:
    text = sql_of(tokens).strip()
    return text[1:-1] if text[:1] == "'" else text


def reset(tokens: Tokens) -> Rewritten:
    """RESET of one of Redshift's parameters."""
    solid = significant(tokens)
    name = tokens[solid[1]].name
    if name in REDSHIFT_PARAMETERS:
        made = [*tokens[: solid[1]], Token(WORD, f"redshift.{name}"), *tokens[solid[1] + 1 :]]
        return Rewritten(made, settings=((name, None),))
    return Rewritten(tokens, settings=tuple((known, None) for known in REDSHIFT_PARAMETERS) if name == "all" else ())


def show(tokens: Tokens) -> Rewritten:
    """SHOW of one of Redshift's parameters, under its own name."""
    words = [token for token in tokens if token.kind != SPACE]
    name = words[1].name if len(words) == 2 else ""
    if name in REDSHIFT_PARAMETERS:
        return Rewritten(tokenize(f"SELECT current_setting('redshift.{name}') AS {name}"), tag="SHOW")
    if name == "search_path":
        return Rewritten(tokenize("SELECT redshift_catalog.shown_search_path() AS search_path"), tag="SHOW")
    return Rewritten(tokens)
