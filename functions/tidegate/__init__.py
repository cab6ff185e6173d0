"""Tidegate: a serverless data orchestrator. Everything that pipelines need is imported from here.

Names are imported from their modules when they are first asked for, so that ``import tidegate``
costs next to nothing (PEP 562).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.domain.run import RunStatus
    from tidegate.errors import (
        ConfigError,
        DefinitionError,
        InvocationError,
        TidegateError,
    )
    from tidegate.execution.in_process import materialize, materialize_to_memory
    from tidegate.execution.io_filesystem import FilesystemIOManager
    from tidegate.execution.io_memory import InMemoryIOManager
    from tidegate.execution.io_s3 import S3IOManager
    from tidegate.execution.result import ExecuteInProcessResult
    from tidegate.sdk.asset import asset
    from tidegate.sdk.asset_job import define_asset_job
    from tidegate.sdk.asset_key import AssetKey
    from tidegate.sdk.asset_spec import AssetDep, AssetIn, AssetOut, AssetSpec, SourceAsset
    from tidegate.sdk.assets_definition import AssetsDefinition
    from tidegate.sdk.compute import Ecs, Lambda
    from tidegate.sdk.config import Config, PermissiveConfig
    from tidegate.sdk.configurable_io import ConfigurableIOManager
    from tidegate.sdk.context import (
        AssetExecutionContext,
        OpExecutionContext,
        build_asset_context,
        build_op_context,
        get_logger,
    )
    from tidegate.sdk.definitions import Definitions
    from tidegate.sdk.env_var import EnvVar
    from tidegate.sdk.event import (
        AssetMaterialization,
        AssetObservation,
        DataVersion,
        DynamicOutput,
        Failure,
        MaterializeResult,
        Output,
        RetryRequested,
    )
    from tidegate.sdk.executor import (
        ExecutorDefinition,
        in_process_executor,
        multi_or_in_process_executor,
        multiprocess_executor,
    )
    from tidegate.sdk.graph import GraphDefinition, GraphIn, GraphOut, graph, job
    from tidegate.sdk.hook import (
        HookContext,
        HookDefinition,
        StepFailed,
        build_hook_context,
        failure_hook,
        run_failure_hook,
        run_success_hook,
        success_hook,
    )
    from tidegate.sdk.io import (
        InputContext,
        IOManager,
        IOManagerDefinition,
        OutputContext,
        build_input_context,
        build_output_context,
        io_manager,
    )
    from tidegate.sdk.job import JobDefinition
    from tidegate.sdk.loading import (
        load_assets_from_current_module,
        load_assets_from_modules,
        load_assets_from_package_module,
        load_assets_from_package_name,
    )
    from tidegate.sdk.metadata import MetadataValue
    from tidegate.sdk.multi_asset import multi_asset
    from tidegate.sdk.op import DynamicOut, In, Nothing, OpDefinition, Out, op
    from tidegate.sdk.partitions import (
        AllPartitionMapping,
        BackfillPolicy,
        DailyPartitionsDefinition,
        DimensionPartitionMapping,
        DynamicPartitionsDefinition,
        HourlyPartitionsDefinition,
        IdentityPartitionMapping,
        LastPartitionMapping,
        MonthlyPartitionsDefinition,
        MultiPartitionKey,
        MultiPartitionMapping,
        MultiPartitionsDefinition,
        MultiToSingleDimensionPartitionMapping,
        PartitionKeyRange,
        PartitionMapping,
        PartitionsDefinition,
        SpecificPartitionsPartitionMapping,
        StaticPartitionMapping,
        StaticPartitionsDefinition,
        TimeWindow,
        TimeWindowPartitionMapping,
        TimeWindowPartitionsDefinition,
        WeeklyPartitionsDefinition,
    )
    from tidegate.sdk.resource import (
        ConfigurableResource,
        InitResourceContext,
        ResourceDefinition,
        ResourceDependency,
        ResourceParam,
        build_init_resource_context,
        resource,
    )
    from tidegate.sdk.retry import Backoff, Jitter, RetryPolicy
    from tidegate.sdk.run_config import RunConfig
    from tidegate.sdk.selection import AssetSelection
    from tidegate.sdk.table import (
        TableColumn,
        TableColumnConstraints,
        TableColumnDep,
        TableColumnLineage,
        TableConstraints,
        TableRecord,
        TableSchema,
    )

__version__ = "0.1.0"

__all__ = [
    "AllPartitionMapping",
    "AssetDep",
    "AssetExecutionContext",
    "AssetIn",
    "AssetKey",
    "AssetMaterialization",
    "AssetObservation",
    "AssetOut",
    "AssetSelection",
    "AssetSpec",
    "AssetsDefinition",
    "BackfillPolicy",
    "Backoff",
    "Config",
    "ConfigError",
    "ConfigurableIOManager",
    "ConfigurableResource",
    "DailyPartitionsDefinition",
    "DataVersion",
    "DefinitionError",
    "Definitions",
    "DimensionPartitionMapping",
    "DynamicOut",
    "DynamicOutput",
    "DynamicPartitionsDefinition",
    "Ecs",
    "EnvVar",
    "ExecuteInProcessResult",
    "ExecutorDefinition",
    "Failure",
    "FilesystemIOManager",
    "GraphDefinition",
    "GraphIn",
    "GraphOut",
    "HookContext",
    "HookDefinition",
    "HourlyPartitionsDefinition",
    "IOManager",
    "IOManagerDefinition",
    "IdentityPartitionMapping",
    "In",
    "InMemoryIOManager",
    "InitResourceContext",
    "InputContext",
    "InvocationError",
    "Jitter",
    "JobDefinition",
    "Lambda",
    "LastPartitionMapping",
    "MaterializeResult",
    "MetadataValue",
    "MonthlyPartitionsDefinition",
    "MultiPartitionKey",
    "MultiPartitionMapping",
    "MultiPartitionsDefinition",
    "MultiToSingleDimensionPartitionMapping",
    "Nothing",
    "OpDefinition",
    "OpExecutionContext",
    "Out",
    "Output",
    "OutputContext",
    "PartitionKeyRange",
    "PartitionMapping",
    "PartitionsDefinition",
    "PermissiveConfig",
    "ResourceDefinition",
    "ResourceDependency",
    "ResourceParam",
    "RetryPolicy",
    "RetryRequested",
    "RunConfig",
    "RunStatus",
    "S3IOManager",
    "SourceAsset",
    "SpecificPartitionsPartitionMapping",
    "StaticPartitionMapping",
    "StaticPartitionsDefinition",
    "StepFailed",
    "TableColumn",
    "TableColumnConstraints",
    "TableColumnDep",
    "TableColumnLineage",
    "TableConstraints",
    "TableRecord",
    "TableSchema",
    "TidegateError",
    "TimeWindow",
    "TimeWindowPartitionMapping",
    "TimeWindowPartitionsDefinition",
    "WeeklyPartitionsDefinition",
    "asset",
    "build_asset_context",
    "build_hook_context",
    "build_init_resource_context",
    "build_input_context",
    "build_op_context",
    "build_output_context",
    "define_asset_job",
    "failure_hook",
    "get_logger",
    "graph",
    "in_process_executor",
    "io_manager",
    "job",
    "load_assets_from_current_module",
    "load_assets_from_modules",
    "load_assets_from_package_module",
    "load_assets_from_package_name",
    "materialize",
    "materialize_to_memory",
    "multi_asset",
    "multi_or_in_process_executor",
    "multiprocess_executor",
    "op",
    "resource",
    "run_failure_hook",
    "run_success_hook",
    "success_hook",
]

_MODULES = {
    "domain.run": ("RunStatus",),
    "errors": ("ConfigError", "DefinitionError", "InvocationError", "TidegateError"),
    "execution.in_process": ("materialize", "materialize_to_memory"),
    "execution.io_filesystem": ("FilesystemIOManager",),
    "execution.io_memory": ("InMemoryIOManager",),
    "execution.io_s3": ("S3IOManager",),
    "execution.result": ("ExecuteInProcessResult",),
    "sdk.asset": ("asset",),
    "sdk.asset_key": ("AssetKey",),
    "sdk.asset_spec": ("AssetDep", "AssetIn", "AssetOut", "AssetSpec", "SourceAsset"),
    "sdk.assets_definition": ("AssetsDefinition",),
    "sdk.compute": ("Ecs", "Lambda"),
    "sdk.config": ("Config", "PermissiveConfig"),
    "sdk.configurable_io": ("ConfigurableIOManager",),
    "sdk.context": (
        "AssetExecutionContext",
        "OpExecutionContext",
        "build_asset_context",
        "build_op_context",
        "get_logger",
    ),
    "sdk.definitions": ("Definitions",),
    "sdk.env_var": ("EnvVar",),
    "sdk.event": (
        "AssetMaterialization",
        "AssetObservation",
        "DataVersion",
        "DynamicOutput",
        "Failure",
        "MaterializeResult",
        "Output",
        "RetryRequested",
    ),
    "sdk.executor": (
        "ExecutorDefinition",
        "in_process_executor",
        "multi_or_in_process_executor",
        "multiprocess_executor",
    ),
    "sdk.hook": (
        "HookContext",
        "HookDefinition",
        "StepFailed",
        "build_hook_context",
        "failure_hook",
        "run_failure_hook",
        "run_success_hook",
        "success_hook",
    ),
    "sdk.graph": ("GraphDefinition", "GraphIn", "GraphOut", "graph", "job"),
    "sdk.io": (
        "IOManager",
        "IOManagerDefinition",
        "InputContext",
        "OutputContext",
        "build_input_context",
        "build_output_context",
        "io_manager",
    ),
    "sdk.asset_job": ("define_asset_job",),
    "sdk.job": ("JobDefinition",),
    "sdk.loading": (
        "load_assets_from_current_module",
        "load_assets_from_modules",
        "load_assets_from_package_module",
        "load_assets_from_package_name",
    ),
    "sdk.metadata": ("MetadataValue",),
    "sdk.multi_asset": ("multi_asset",),
    "sdk.op": ("DynamicOut", "In", "Nothing", "OpDefinition", "Out", "op"),
    "sdk.partitions": (
        "AllPartitionMapping",
        "BackfillPolicy",
        "DailyPartitionsDefinition",
        "DimensionPartitionMapping",
        "DynamicPartitionsDefinition",
        "HourlyPartitionsDefinition",
        "IdentityPartitionMapping",
        "LastPartitionMapping",
        "MonthlyPartitionsDefinition",
        "MultiPartitionKey",
        "MultiPartitionMapping",
        "MultiPartitionsDefinition",
        "MultiToSingleDimensionPartitionMapping",
        "PartitionKeyRange",
        "PartitionMapping",
        "PartitionsDefinition",
        "SpecificPartitionsPartitionMapping",
        "StaticPartitionMapping",
        "StaticPartitionsDefinition",
        "TimeWindow",
        "TimeWindowPartitionMapping",
        "TimeWindowPartitionsDefinition",
        "WeeklyPartitionsDefinition",
    ),
    "sdk.resource": (
        "ConfigurableResource",
        "InitResourceContext",
        "ResourceDefinition",
        "ResourceDependency",
        "ResourceParam",
        "build_init_resource_context",
        "resource",
    ),
    "sdk.retry": ("Backoff", "Jitter", "RetryPolicy"),
    "sdk.run_config": ("RunConfig",),
    "sdk.selection": ("AssetSelection",),
    "sdk.table": (
        "TableColumn",
        "TableColumnConstraints",
        "TableColumnDep",
        "TableColumnLineage",
        "TableConstraints",
        "TableRecord",
        "TableSchema",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"tidegate.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
