"""The pipelines this checkout deploys: Seattle's daily weather, 2012 to 2015. Replace this package with yours.

``defs`` is what Tidegate looks for: ``tidegate definitions list`` shows it, ``make demo`` runs it.
"""

from __future__ import annotations

from definitions.quality import weather_quality
from definitions.stations import SeattleStation
from definitions.weather import (
    clean_weather,
    conditions_report,
    daily_conditions,
    monthly_conditions,
    monthly_summary,
    raw_weather,
    weather_features,
    weather_report,
    yearly_summary,
)
from tidegate import AssetSelection, Definitions, define_asset_job

seattle_weather = define_asset_job(
    "seattle_weather",
    selection=AssetSelection.assets("weather_report").upstream(),
    description="From the published observations to the plotted report.",
    tags={"team": "weather"},
)

conditions_of_a_day = define_asset_job(
    "conditions_of_a_day",
    selection=[daily_conditions],
    description="The record of one day, a partition for each.",
    tags={"team": "weather"},
)

defs = Definitions(
    assets=[
        raw_weather,
        clean_weather,
        weather_features,
        monthly_summary,
        yearly_summary,
        weather_report,
        daily_conditions,
        monthly_conditions,
        conditions_report,
    ],
    jobs=[seattle_weather, conditions_of_a_day, weather_quality],
    resources={"station": SeattleStation()},
)
