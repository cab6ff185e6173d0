"""Where the observations come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate import ConfigurableResource

if TYPE_CHECKING:
    import pandas as pd


class SeattleStation(ConfigurableResource):
    """Daily observations at Seattle, 2012-01-01 to 2015-12-31, as NOAA published them.

    They come in the package ``vega_datasets`` (BSD licence), so the example needs no network.
    """

    first_year: int = 2012
    last_year: int = 2015

    def observations(self) -> pd.DataFrame:
        """One row a day: date, precipitation (mm), temp_max and temp_min (degrees C), wind (m/s), weather."""
        from vega_datasets import data

        table = data.seattle_weather()
        years = table["date"].dt.year
        return table[(years >= self.first_year) & (years <= self.last_year)]
