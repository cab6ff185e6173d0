"""Which assets a request selects, by the manifest."""

from __future__ import annotations

from tidegate.domain.asset_graph import AssetGraph
from tidegate.domain.selection_text import parse_selection
from tidegate.errors import DefinitionError, RequestError, UnknownAssetError
from tidegate.manifest.document import Manifest


def select_assets(manifest: Manifest, text: str) -> tuple[str, ...]:
    """Keys of the assets that can be materialized and that ``text`` selects, upstream first.

    Raises:
        UnknownAssetError: it names an asset that does not exist, or selects nothing.
        RequestError: it is not a selection.
    """
    graph = AssetGraph.of_documents(manifest.assets)
    try:
        found = parse_selection(text).resolve(graph)
    except DefinitionError as error:
        kind = UnknownAssetError if error.message.startswith("There is no") else RequestError
        raise kind(error.message, mend=error.mend) from error
    keys = tuple(key for key in found if graph.nodes[key].step is not None)
    if not keys:
        raise UnknownAssetError(
            f"The selection {text!r} has no asset that can be materialized.",
            mend="`tidegate definitions list` shows all.",
        )
    return keys
