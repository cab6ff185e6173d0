"""Expressions parsed once, not thrice a call.

moto: each condition and update expression is tokenized and parsed by the handler and again by the backend, then walked by ten
validators: an update is 11,000 Python calls.
AWS: answers in one digit of milliseconds. The results are the same; ``tests/contract`` compares them on random items.
Can go when moto keeps what it has parsed. Unusual expressions, and all that are refused, are still moto's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.responses import DynamoHandler

from tidegate.local.capacity import attributes_size
from tidegate.local.repairs import dynamodb_updates, expressions
from tidegate.local.repairs.operators import UnusualError, Values
from tidegate.local.repairs.patch import Repair
from tidegate.local.repairs.undo import Key, find, key_of, put

_parse = ConditionExpressionParser.parse
_MAX_ITEM_BYTES = 400 * 1024
_ORDINARY = frozenset(
    {
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Key",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
        "UpdateExpression",
    }
)


class _Compiled:
    """A compiled condition with its values: what moto's ``Op`` is to its callers."""

    def __init__(self, parser: ConditionExpressionParser, condition: expressions.Condition) -> None:
        self._parser = parser
        self._test = condition.test
        self._values = typed(parser.expression_attribute_values)

    def expr(self, item: Item | None) -> bool:
        try:
            return self._test({} if item is None else item.attrs, self._values)
        except UnusualError:
            return bool(_parse(self._parser).expr(item))


def _parse_once(self: ConditionExpressionParser) -> Any:
    text = self.condition_expression
    if not text:
        return _parse(self)
    try:
        compiled = expressions.condition(text, _sorted(self.expression_attribute_names))
    except UnusualError:
        return _parse(self)
    if not compiled.values <= (self.expression_attribute_values or {}).keys():
        return _parse(self)
    try:
        made = _Compiled(self, compiled)
    except UnusualError:
        return _parse(self)
    self.expr_attr_names_found = list(compiled.names)
    self.expr_attr_values_found = list(compiled.values)
    return made


def _update(self: DynamoHandler) -> ActionResult:
    try:
        return _ordinary_update(self.dynamodb_backend, self.body)
    except UnusualError:
        answer: ActionResult = dynamodb_updates.handle(self)
        return answer


def _update_in_transaction(
    self: DynamoDBBackend, table_name: str, key: dict[str, Any], **more: Any
) -> Item:
    """A transaction has checked its conditions, and its expressions, before it applies anything."""
    table = self.get_table(table_name)
    try:
        if more.get("condition_expression") or more.get("expected") or table.stream_shard:
            raise UnusualError("condition")
        names = _sorted(more.get("expression_attribute_names"))
        update = expressions.update(more["update_expression"], names)
        found = _ordinary_key(table, key)
        item = _changed(found, update, typed(more.get("expression_attribute_values")))
    except UnusualError:
        return dynamodb_updates.update(self, table_name, key, **more)
    put(found, item)
    return item


def _ordinary_update(backend: DynamoDBBackend, body: Mapping[str, Any]) -> ActionResult:
    table = backend.get_table(body["TableName"])
    if not body.keys() <= _ORDINARY or not body.get("UpdateExpression") or table.stream_shard:
        raise UnusualError("update")
    key = _ordinary_key(table, body["Key"])
    names = _sorted(body.get("ExpressionAttributeNames"))
    values = typed(body.get("ExpressionAttributeValues"))
    update = expressions.update(body["UpdateExpression"], names)
    stored, needed = find(key), body.get("ConditionExpression")
    condition = expressions.condition(needed, names) if needed else _ALWAYS
    if update.names | condition.names != {name for name, _ in names}:
        raise UnusualError("names")
    if update.values | condition.values != values.keys():
        raise UnusualError("values")
    if not condition.test({} if stored is None else stored.attrs, values):
        shown = body.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and stored is not None
        raise ConditionalCheckFailed(
            item=stored.to_json()["Attributes"] if shown and stored is not None else None
        )
    item = _changed(key, update, values)
    answer = _answer(str(body.get("ReturnValues", "NONE")), stored, item, update)
    put(key, item)
    return ActionResult(answer)


def _ordinary_key(table: Table, attributes: Mapping[str, Any]) -> Key:
    if attributes.keys() != set(table.table_key_attrs):
        raise UnusualError("key")
    key = key_of(table, attributes)
    for part, kind in ((key[1], table.hash_key_type), (key[2], table.range_key_type)):
        if part is not None and (part.type != kind or part.value == ""):
            raise UnusualError("key")
    return key


def _changed(key: Key, update: expressions.Update, values: Values) -> Item:
    """The item as the update makes it; nothing is stored. All operands are those of the item before."""
    table, stored = key[0], find(key)
    before: dict[str, DynamoType] = {} if stored is None else stored.attrs
    after = {**before, table.hash_key_attr: key[1]}
    if key[2] is not None:
        after[str(table.range_key_attr)] = key[2]
    for change in update.changes:
        value = change.value(before, values)
        _check(table, change.attribute, value)
        if value is None:
            after.pop(change.attribute, None)
        else:
            after[change.attribute] = value
    if attributes_size(after) > _MAX_ITEM_BYTES:
        raise UnusualError("size")
    item = Item(key[1], key[2], {})
    dict.update(item.attrs, after)  # one by one, each would measure all others
    return item


def _check(table: Table, attribute: str, value: DynamoType | None) -> None:
    """Leave to moto what it may refuse: keys, empty sets, and the types of index keys."""
    if attribute in table.table_key_attrs:
        raise UnusualError(attribute)
    if value is None:
        return
    if value.type in ("SS", "NS", "BS") and not value.value:
        raise UnusualError(attribute)
    for definition in table.attr:
        if definition["AttributeName"] == attribute and (
            definition["AttributeType"] != value.type or value.value == ""
        ):
            raise UnusualError(attribute)


def _answer(
    wanted: str, before: Item | None, after: Item, update: expressions.Update
) -> dict[str, Any]:
    if wanted not in ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"):
        raise UnusualError(wanted)
    shown = after if wanted.endswith("NEW") else before
    if wanted == "NONE" or shown is None:
        return {}
    attributes: dict[str, DynamoType] = shown.attrs
    if wanted.startswith("UPDATED"):
        touched = [one.attribute for one in update.changes]
        attributes = {name: attributes[name] for name in touched if name in attributes}
    return {"Attributes": dynamo_to_dict(attributes)} if attributes else {}


def typed(values: Mapping[str, Any] | None) -> dict[str, DynamoType]:
    """Expression attribute values, checked as far as an ordinary expression needs.

    Raises:
        UnusualError: a number that is none.
    """
    made = {name: DynamoType(value) for name, value in (values or {}).items()}
    for value in made.values():
        if value.type in ("N", "NS"):
            try:
                numbers = [value.value] if value.type == "N" else value.value
                ordinary = all(Decimal(one).is_finite() and one == one.strip() for one in numbers)
            except (ArithmeticError, TypeError, ValueError):
                raise UnusualError("number") from None
            if not ordinary:
                raise UnusualError("number")
    return made


def _sorted(names: Mapping[str, str] | None) -> expressions.Names:
    return tuple(sorted((names or {}).items()))


_ALWAYS = expressions.Condition(lambda attributes, values: True, frozenset(), frozenset())

REPAIR = Repair(
    "dynamodb expressions",
    (ConditionExpressionParser, "parse", _parse_once),
    (DynamoHandler, "update_item", _update),
    (DynamoDBBackend, "update_item", _update_in_transaction),
)
