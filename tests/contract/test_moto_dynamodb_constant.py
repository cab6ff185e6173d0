"""Why capacity units are computed here at all."""

from __future__ import annotations

from tests.contract.moto_engines import THINGS, as_it_is, key, text

ASK = {"TableName": THINGS, "ReturnConsumedCapacity": "INDEXES"}
CHECK = {
    "ConditionCheck": {
        "TableName": THINGS,
        "Key": key(),
        "ConditionExpression": "attribute_exists(pk)",
    }
}


def test_motos_own_units_are_still_a_constant() -> None:
    with as_it_is() as client:
        client.put_item(TableName=THINGS, Item=key())
        costs = [
            client.put_item(**ASK, Item={**key(), "big": text("x" * size)})["ConsumedCapacity"][
                "CapacityUnits"
            ]
            for size in (1, 100_000)
        ]
        transaction = client.transact_write_items(
            TransactItems=[CHECK], ReturnConsumedCapacity="INDEXES"
        )

    assert costs == [1, 1]
    assert transaction["ConsumedCapacity"] == []
