"""``tidegate materialize`` and ``tidegate job launch``: ask for a run, and with ``--wait`` see it end."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.options import AsJson, Target
from tidegate.domain.partitions.hold import ON_RUNNING_TAG
from tidegate.errors import ConfigError, RequestError

app = typer.Typer(help="Launch jobs.", no_args_is_help=True)

SKIPPED = 3
"""Exit code of a launch whose run gave way to others by its conflict policy."""

Partition = Annotated[str | None, typer.Option("--partition", help="The partition to run for.")]
PartitionRange = Annotated[
    str | None,
    typer.Option(
        "--partition-range",
        metavar="A...B",
        help="All partitions from A to B, in one run; `backfill launch` makes a run for each.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Run config, YAML or JSON; - reads standard input."),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="A tag; may be given again.")
]
RunKey = Annotated[
    str | None,
    typer.Option("--run-key", help="The same key asks for the same run: it is created once."),
]
Trigger = Annotated[
    str | None,
    typer.Option("--trigger", help="What asks for it: its runs go one at a time."),
]
Conflict = Annotated[
    str | None,
    typer.Option(
        "--on-conflict",
        help="If a run of the trigger is not over: queue, skip, cancel_oldest or queue_one.",
    ),
]
OnRunning = Annotated[
    str | None,
    typer.Option(
        "--on-running",
        help="If another run is making one of the partitions: wait (if not given), or skip.",
    ),
]
FailFast = Annotated[
    bool | None,
    typer.Option("--fail-fast/--no-fail-fast", help="The first step that fails stops the rest."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")]


def materialize(
    select: Annotated[
        str,
        typer.Option(
            "--select", "-s", help="Which assets: '*', 'name', '+name' with its upstream."
        ),
    ],
    partition: Partition = None,
    partition_range: PartitionRange = None,
    config: Config = None,
    tags: Tags = None,
    run_key: RunKey = None,
    trigger: Trigger = None,
    on_conflict: Conflict = None,
    on_running: OnRunning = None,
    fail_fast: FailFast = None,
    wait: Wait = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Materialize assets: one run of the selected ones."""
    _launch(
        connect.connect(target),
        "materialize",
        {"selection": select}
        | _fields(partition, partition_range, config, _with(tags, on_running), run_key)
        | {"trigger": trigger, "on_conflict": on_conflict, "fail_fast": fail_fast},
        wait=wait,
        as_json=as_json,
    )


@app.command("launch")
def launch_job(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job.")],
    partition: Partition = None,
    partition_range: PartitionRange = None,
    config: Config = None,
    tags: Tags = None,
    run_key: RunKey = None,
    trigger: Trigger = None,
    on_conflict: Conflict = None,
    on_running: OnRunning = None,
    fail_fast: FailFast = None,
    wait: Wait = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Launch one run of a job."""
    _launch(
        connect.connect(target),
        "submit",
        {"job": name}
        | _fields(partition, partition_range, config, _with(tags, on_running), run_key)
        | {"trigger": trigger, "on_conflict": on_conflict, "fail_fast": fail_fast},
        wait=wait,
        as_json=as_json,
    )


def _fields(
    partition: str | None,
    partition_range: str | None,
    config: Path | None,
    tags: dict[str, str],
    run_key: str | None,
) -> dict[str, Any]:
    """What both requests have in common. Without a run key of the user's own, one is made up: should the answer be
    lost and the request be made again, it asks for the same run."""
    return {
        "partition_key": partition,
        "partition_range": partition_range,
        "run_config": None if config is None else read_config(config),
        "tags": tags,
        "run_key": run_key or f"cli-{uuid.uuid4()}",
    }


def _launch(
    client: connect.Client, action: str, fields: dict[str, Any], *, wait: bool, as_json: bool
) -> None:
    told(client, client.call(action, **fields), wait=wait, as_json=as_json)


def told(client: connect.Client, run: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Say what was submitted, and with ``wait`` how it ends."""
    if run["skipped"]:
        if as_json:
            screen.print_json(run)
        else:
            typer.echo(f"Run {run['run_id']} was {run['reason']}.")
        raise typer.Exit(SKIPPED)
    if wait:
        from tidegate.cli.follow import follow

        raise typer.Exit(follow(client, run["run_id"], as_json=as_json))
    if as_json:
        return screen.print_json(run)
    typer.echo(f"Run {run['run_id']} is {screen.word(run['status'])}.")
    typer.echo(f"Follow it: tidegate runs wait {wording.short(run['run_id'])}")


def _with(tags: list[str] | None, on_running: str | None) -> dict[str, str]:
    return read_tags(tags or []) | on_running_tag(on_running)


def on_running_tag(said: str | None) -> dict[str, str]:
    return {} if said is None else {ON_RUNNING_TAG: said}


def read_tags(given: list[str]) -> dict[str, str]:
    """Raises:
    RequestError: one of them is not KEY=VALUE, or two of them have the same key.
    """
    tags: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise RequestError(
                f"The tag {one!r} is not KEY=VALUE.", mend="For example --tags team=data."
            )
        if key in tags:
            raise RequestError(f"The tag {key!r} is given twice.", mend="A tag has one value.")
        tags[key] = value
    return tags


def read_config(path: Path) -> dict[str, Any]:
    """Run config from a YAML or JSON file.

    Raises:
        ConfigError: it cannot be read, or is not a mapping of what JSON can say.
    """
    import yaml

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        document = yaml.load(text, Loader=_loader())
        json.dumps(document, allow_nan=False)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.", mend="Name a YAML or JSON file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", mend="It must be text.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{path}{line}: not YAML: {problem}.", mend="Check it there.") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} says something JSON cannot: {error}.",
            mend="Use text, numbers, true, false, null, lists and mappings.",
        ) from None
    if document is not None and not isinstance(document, dict):
        raise ConfigError(f"{path} is not a mapping.", mend="It begins like `ops: ...`.")
    return document or {}


def _loader() -> Any:
    """YAML without dates: in run config 2015-01-01 is a text, as a partition key is."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader
