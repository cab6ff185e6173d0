"""A job of ops: check each year of the observations apart, then say what was found."""

from __future__ import annotations

import pandas as pd

from definitions.stations import SeattleStation
from tidegate import Config, Failure, In, OpExecutionContext, Out, RetryPolicy, job, op


class Year(Config):
    year: int = 2012


class Tolerance(Config):
    """Findings above this many fail the job."""

    findings: int = 0


@op(out=Out(description="All observations"), retry_policy=RetryPolicy(max_retries=2, delay=5))
def observations(station: SeattleStation) -> pd.DataFrame:
    return station.observations()


@op
def check_year(context: OpExecutionContext, config: Year, table: pd.DataFrame) -> dict[str, int]:
    """Days missing, and days whose highest temperature is below the lowest."""
    year = table[table["date"].dt.year == config.year]
    expected = 366 if config.year % 4 == 0 else 365
    findings = {
        "missing": expected - len(year),
        "inverted": int((year["temp_max"] < year["temp_min"]).sum()),
    }
    context.log.info("%d: %s", config.year, findings)
    return {"year": config.year, **findings}


@op(ins={"years": In(list)})
def verdict(context: OpExecutionContext, config: Tolerance, years: list[dict[str, int]]) -> str:
    found = sum(one["missing"] + one["inverted"] for one in years)
    if found > config.findings:
        raise Failure(f"{found} findings", metadata={"findings": found}, allow_retries=False)
    return f"{len(years)} years, {found} findings"


@job(
    config={"ops": {f"check_{year}": {"config": {"year": year}} for year in range(2012, 2016)}},
    tags={"team": "weather"},
)
def weather_quality() -> None:
    """Four checks side by side, one verdict."""
    table = observations()
    verdict([check_year.alias(f"check_{year}")(table) for year in range(2012, 2016)])
