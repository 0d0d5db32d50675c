"""The flights example worked out by hand in DuckDB SQL, straight from the package's own files.

`python expected.py` prints the figures that README.md and expected/summary.json state; the test compares whole tables.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from prepare import SMALL, package_data  # noqa: E402 - found beside this file

# pandas' habit of reading NA as missing, and nothing else.
READ = "read_csv('{path}', header = true, all_varchar = true, nullstr = 'NA', quote = '', parallel = false)"

TABLES = {
    "airlines_dim": "SELECT carrier, name FROM airlines",
    "airports_dim": """
        SELECT faa, name, lat::DOUBLE AS lat, lon::DOUBLE AS lon, alt::INTEGER AS alt, tz::INTEGER AS tz, dst, tzone
        FROM airports""",
    "planes_dim": """
        SELECT tailnum, year::INTEGER AS year, type, manufacturer, model, engines::INTEGER AS engines,
            seats::INTEGER AS seats, speed::INTEGER AS speed, engine
        FROM planes""",
    "weather_fact": """
        SELECT origin, year::INTEGER AS year, month::INTEGER AS month, day::INTEGER AS day, hour::INTEGER AS hour,
            temp::DOUBLE AS temp, dewp::DOUBLE AS dewp, humid::DOUBLE AS humid, wind_dir::INTEGER AS wind_dir,
            wind_speed::DOUBLE AS wind_speed, wind_gust::DOUBLE AS wind_gust, precip::DOUBLE AS precip,
            pressure::DOUBLE AS pressure, visib::DOUBLE AS visib,
            strptime(time_hour, '%Y-%m-%dT%H:%M:%SZ') AS time_hour
        FROM weather""",
    "flights_fact": """
        WITH typed AS (
            SELECT *, strptime(time_hour, '%Y-%m-%dT%H:%M:%SZ') AS at_hour, dep_delay::INTEGER AS late FROM flights)
        SELECT make_date(year::INTEGER, month::INTEGER, day::INTEGER) AS flight_date,
            at_hour + to_minutes(minute::INTEGER) AS sched_dep_at,
            at_hour + to_minutes(minute::INTEGER) + to_minutes(late) AS dep_at, at_hour AS time_hour,
            late AS dep_delay, arr_delay::INTEGER AS arr_delay, carrier, flight::INTEGER AS flight, tailnum, origin,
            dest, air_time::INTEGER AS air_time, distance::INTEGER AS distance, dep_time::INTEGER AS dep_time,
            sched_dep_time::INTEGER AS sched_dep_time, arr_time::INTEGER AS arr_time,
            sched_arr_time::INTEGER AS sched_arr_time, dep_time IS NULL AS cancelled,
            dep_time IS NOT NULL AND air_time IS NULL AS diverted
        FROM typed""",
    "daily_flights": """
        SELECT flight_date, origin, count(*) AS flights, count(*) FILTER (cancelled) AS cancelled,
            count(*) FILTER (diverted) AS diverted, sum(dep_delay)::BIGINT AS dep_delay_minutes,
            sum(distance)::BIGINT AS miles
        FROM flights_fact GROUP BY ALL""",
}

SUMMARY = """
SELECT count(*) AS flights, count(*) FILTER (cancelled) AS cancelled, count(*) FILTER (diverted) AS diverted,
    count(*) FILTER (arr_time IS NULL) AS no_arr_time, count(*) FILTER (tailnum IS NULL) AS no_tailnum,
    sum(distance)::BIGINT AS miles, sum(dep_delay)::BIGINT AS dep_delay_minutes,
    sum(arr_delay)::BIGINT AS arr_delay_minutes, sum(air_time)::BIGINT AS air_minutes,
    count(*) FILTER (dep_time = 2400) AS left_at_2400,
    count(*) FILTER (flight_date <> sched_dep_at::DATE) AS other_day_in_utc,
    count(*) - count(DISTINCT (flight_date, carrier, flight)) AS same_number_twice_a_day,
    count(*) FILTER (dest NOT IN (SELECT faa FROM airports_dim)) AS unknown_dest,
    count(*) FILTER (tailnum NOT IN (SELECT tailnum FROM planes_dim)) AS unknown_tailnum,
    count(*) FILTER (NOT EXISTS (SELECT 1 FROM weather_fact AS w
        WHERE w.origin = f.origin AND w.time_hour = f.time_hour)) AS without_weather
FROM flights_fact AS f
"""


def expected_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every expected table, under its own name, in the connection's default schema."""
    data = package_data()
    with tempfile.TemporaryDirectory() as scratch:
        zipfile.ZipFile(data / "flights.csv.zip").extract("flights.csv", scratch)
        paths = {name: data / f"{name}.csv" for name in SMALL} | {"flights": Path(scratch) / "flights.csv"}
        for name, path in paths.items():
            connection.execute(f"CREATE TEMP TABLE {name} AS FROM {READ.format(path=path)}")
    for name, query in TABLES.items():
        connection.execute(f"CREATE TABLE {name} AS {query}")


def summary(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The figures of the flights, and the rows of each table."""
    cursor = connection.execute(SUMMARY)
    names = [column[0] for column in cursor.description or ()]
    figures = dict(zip(names, cursor.fetchall()[0], strict=True))
    counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in TABLES}
    return {**figures, **{f"rows_{name}": rows for name, rows in counts.items()}}


if __name__ == "__main__":
    with duckdb.connect() as database:
        expected_tables(database)
        print(json.dumps(summary(database), indent=2))
