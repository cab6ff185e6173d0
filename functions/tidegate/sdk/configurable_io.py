"""IO managers declared as classes with typed fields."""

from __future__ import annotations

from typing import ClassVar

from tidegate.sdk.io import IOManager
from tidegate.sdk.resource import ConfigurableResource


class ConfigurableIOManager(ConfigurableResource, IOManager):
    """An IO manager whose fields are its config::

    class CsvManager(ConfigurableIOManager):
        folder: str

        def handle_output(self, context, obj): ...
        def load_input(self, context): ...
    """

    loads_in_parallel: ClassVar[bool] = False
