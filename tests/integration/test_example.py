"""The example: its days and months are backfilled, a run for a stretch of days or for one."""

from __future__ import annotations

from definitions import defs
from tidegate.testing import LocalDeployment

DAYS = "key:daily_conditions or key:monthly_conditions"


def test_days_are_made_one_by_one_or_in_stretches_and_months_when_their_days_are_there() -> None:
    with LocalDeployment(defs) as tg:
        tg.materialize("+weather_features")
        tg.settle()
        christmas = tg.submit("conditions_of_a_day", partition_key="2015-12-25")
        tg.settle()
        alone = tg.value("daily_conditions", partition="2015-12-25")

        backfill = tg.backfill(DAYS, range=("2015-11-01", "2015-12-31"))
        tg.settle()

        assert tg.run_status(christmas) == "SUCCESS"
        shown = tg.call("backfills.show", backfill_id=backfill)
        assert (shown["status"], shown["runs"]) == ("COMPLETED_SUCCESS", 2 + 2)
        assert tg.value("daily_conditions", partition="2015-12-25") == alone
        assert sum(tg.value("monthly_conditions", partition="2015-12-01").values()) == 31
        days = tg.partition_status("daily_conditions")
        assert sum(state == "MATERIALIZED" for state in days.values()) == 61
        assert len(days) == 1461
