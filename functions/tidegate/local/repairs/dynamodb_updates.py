"""Updates that happen whole or not at all, and answer what was updated.

moto: ``UpdateItem`` changes the stored item step by step, so an update that is refused half-way (too large, wrong type) stays half
done, and one that creates the item leaves an empty one behind. ``UPDATED_NEW`` also answers the key attributes of an item
that is new, and leaves out attributes that were set to the value they had.
AWS: nothing is changed by a refused update; ``UPDATED_NEW`` answers the attributes the expression names.
Can go when moto does both.
"""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.parsing.ast_nodes import UpdateExpressionPath  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.dynamodb.responses import DynamoHandler

from tidegate.local.repairs.patch import Repair
from tidegate.local.repairs.undo import Undo, find, key_of

_update_item = DynamoDBBackend.update_item
_handle_update_item = DynamoHandler.update_item


def update(
    self: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **more: Any
) -> Item:
    """``DynamoDBBackend.update_item``, whole or not at all."""
    table = self.get_table(table_name)
    undo = Undo([key_of(table, key)]) if all(one in key for one in table.table_key_attrs) else None
    try:
        return _update_item(self, table_name, key, *args, **more)
    except BaseException:
        if undo is not None:
            undo.restore()
        raise


def handle(self: DynamoHandler) -> Any:
    """``DynamoHandler.update_item``, with the attributes that were updated."""
    result = _handle_update_item(self)
    expression = self.body.get("UpdateExpression")
    if self.body.get("ReturnValues") != "UPDATED_NEW" or not expression:
        return result
    names = _whole_attributes(expression, self.body.get("ExpressionAttributeNames", {}))
    document: Any = result.result
    if names is not None:
        table = self.dynamodb_backend.get_table(self.body["TableName"])
        stored = find(key_of(table, self.body["Key"]))
        attributes = {} if stored is None else stored.attrs
        document["Attributes"] = dynamo_to_dict(
            {name: attributes[name] for name in names if name in attributes}
        )
        if not document["Attributes"]:
            del document["Attributes"]
    return result


def _whole_attributes(expression: str, names: dict[str, str]) -> list[str] | None:
    """The attributes an update names; None if it reaches into one, which moto answers well."""
    found = []
    for path in _paths(UpdateExpressionParser.make(expression)):
        if len(path.children) != 1:
            return None
        text = path.children[0].to_str()
        found.append(names.get(text, text))
    return found


def _paths(node: Any) -> list[Any]:
    """The paths an update acts on: the first child of each action."""
    if isinstance(node, UpdateExpressionPath):
        return [node]
    children = [
        child for child in getattr(node, "children", None) or () if hasattr(child, "children")
    ]
    if type(node).__name__.endswith("Action"):
        children = children[:1]
    return [path for child in children for path in _paths(child)]


REPAIR = Repair(
    "dynamodb updates",
    (DynamoDBBackend, "update_item", update),
    (DynamoHandler, "update_item", handle),
)
