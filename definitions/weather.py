"""Assets: observations, cleaned, with features, summed up by month and by year, and drawn."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from definitions.stations import SeattleStation
from tidegate import (
    AssetExecutionContext,
    BackfillPolicy,
    Config,
    DailyPartitionsDefinition,
    Ecs,
    MetadataValue,
    MonthlyPartitionsDefinition,
    Output,
    asset,
)

WAREHOUSE = "warehouse"
"""The pool of steps that would load a warehouse: ``tidegate limits set pool/warehouse 1`` runs them one by one."""

days = DailyPartitionsDefinition(start_date="2012-01-01", end_date="2016-01-01")
months = MonthlyPartitionsDefinition(start_date="2012-01-01", end_date="2016-01-01")


class Cleaning(Config):
    """What counts as an observation."""

    coldest: float = -30.0
    hottest: float = 50.0


@asset(group_name="observations", kinds={"csv"}, owners=["team:weather"])
def raw_weather(context: AssetExecutionContext, station: SeattleStation) -> Output[pd.DataFrame]:
    """The observations as published."""
    table = station.observations()
    context.log.info("read %d days", len(table))
    return Output(
        table,
        metadata={
            "rows": len(table),
            "first_day": str(table["date"].min().date()),
            "last_day": str(table["date"].max().date()),
        },
    )


@asset(group_name="observations")
def clean_weather(
    context: AssetExecutionContext, config: Cleaning, raw_weather: pd.DataFrame
) -> Output[pd.DataFrame]:
    """One row for each day, in order, temperatures within what the instrument can read."""
    table = raw_weather.drop_duplicates("date").sort_values("date", ignore_index=True)
    possible = table["temp_min"].ge(config.coldest) & table["temp_max"].le(config.hottest)
    expected = len(pd.date_range(table["date"].min(), table["date"].max()))
    context.log.info("%d of %d days are there", int(possible.sum()), expected)
    kept = table[possible].reset_index(drop=True)
    return Output(kept, metadata={"rows": len(kept), "days_missing": expected - len(kept)})


@asset(group_name="features")
def weather_features(clean_weather: pd.DataFrame) -> pd.DataFrame:
    """Mean temperature, range, rain or not, and the mean of the last seven days."""
    table = clean_weather.copy()
    table["temp_mean"] = (table["temp_max"] + table["temp_min"]) / 2
    table["temp_range"] = table["temp_max"] - table["temp_min"]
    table["is_wet"] = table["precipitation"] > 0
    table["week_mean"] = table["temp_mean"].rolling(7, min_periods=1).mean()
    return table


def _summary(table: pd.DataFrame, period: str) -> pd.DataFrame:
    grouped = table.groupby(table["date"].dt.to_period(period))
    summary = grouped.agg(
        days=("date", "size"),
        wet_days=("is_wet", "sum"),
        precipitation=("precipitation", "sum"),
        temp_mean=("temp_mean", "mean"),
        temp_max=("temp_max", "max"),
        temp_min=("temp_min", "min"),
    )
    summary.index = summary.index.astype(str)
    return summary.round(2).reset_index(names="period")


@asset(group_name="summaries", pool=WAREHOUSE)
def monthly_summary(weather_features: pd.DataFrame) -> Output[pd.DataFrame]:
    """48 rows: rain and temperature by month."""
    summary = _summary(weather_features, "M")
    wettest = summary.loc[summary["precipitation"].idxmax()]
    return Output(
        summary,
        metadata={
            "months": len(summary),
            "wettest": f"{wettest.period}: {wettest.precipitation} mm",
        },
    )


@asset(group_name="summaries", pool=WAREHOUSE)
def yearly_summary(weather_features: pd.DataFrame) -> Output[pd.DataFrame]:
    """Four rows: rain and temperature by year."""
    summary = _summary(weather_features, "Y")
    return Output(summary, metadata={"table": MetadataValue.md(_markdown(summary))})


def _markdown(table: pd.DataFrame) -> str:
    head = "| " + " | ".join(table.columns) + " |"
    rows = ["| " + " | ".join(str(value) for value in row) + " |" for row in table.to_numpy()]
    return "\n".join([head, "|" + "---|" * len(table.columns), *rows])


@asset(group_name="report", compute=Ecs(cpu=1024, memory=2048), kinds={"png"})
def weather_report(
    context: AssetExecutionContext, monthly_summary: pd.DataFrame, yearly_summary: pd.DataFrame
) -> Output[bytes]:
    """The report as one picture, drawn in a container of its own."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (rain, warmth) = pyplot.subplots(
        2, 1, figsize=(10, 7), sharex=True, layout="constrained"
    )
    months = pd.to_datetime(monthly_summary["period"])
    rain.bar(months, monthly_summary["precipitation"], width=25, color="#3b6ea5")
    rain.set_ylabel("rain, mm a month")
    warmth.fill_between(
        months, monthly_summary["temp_min"], monthly_summary["temp_max"], color="#e8c39e"
    )
    warmth.plot(months, monthly_summary["temp_mean"], color="#a4452c")
    warmth.set_ylabel("temperature, °C")
    wettest = yearly_summary.loc[yearly_summary["precipitation"].idxmax()]
    figure.suptitle(
        f"Seattle, {len(monthly_summary)} months; wettest year {wettest.period}"
        f" with {wettest.precipitation:.0f} mm"
    )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    pyplot.close(figure)
    context.log.info("drew %d bytes", picture.tell())
    return Output(picture.getvalue(), metadata={"bytes": picture.tell()})


@asset(
    group_name="days",
    partitions_def=days,
    backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=31),
)
def daily_conditions(
    context: AssetExecutionContext, weather_features: pd.DataFrame
) -> Output[dict[str, Any]]:
    """The record of one day: 1,461 partitions. One run of a backfill makes 31 of them, each kept by itself."""
    table = weather_features.set_index(weather_features["date"].dt.strftime("%Y-%m-%d"))
    if context.has_partition_key:
        record = _conditions(table, context.partition_key)
        return Output(record, metadata={"weather": record["weather"]})
    return Output({day: _conditions(table, day) for day in context.partition_keys})


def _conditions(table: pd.DataFrame, day: str) -> dict[str, Any]:
    row = table.loc[day]
    return {
        "date": day,
        "weather": str(row["weather"]),
        "temp_mean": float(row["temp_mean"]),
        "precipitation": float(row["precipitation"]),
    }


@asset(group_name="days", partitions_def=months)
def monthly_conditions(daily_conditions: dict[str, dict[str, Any]]) -> dict[str, int]:
    """How many days there were of each kind of weather, from the records of the days: 48 partitions."""
    kinds = [record["weather"] for record in daily_conditions.values()]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


@asset(group_name="days")
def conditions_report(monthly_conditions: dict[str, dict[str, int]]) -> Output[dict[str, int]]:
    """How many days of each kind there were in all months, made when the last month is."""
    total: dict[str, int] = {}
    for month in monthly_conditions.values():
        for kind, count in month.items():
            total[kind] = total.get(kind, 0) + count
    return Output(total, metadata={"days": sum(total.values()), "months": len(monthly_conditions)})
