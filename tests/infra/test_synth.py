"""The gate: the whole synthesis, with every check, as ``make synth`` runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs

from infra import ROOT
from infra.app import add_checks

ACCEPTED = {
    "AwsSolutions-ECS2",
    "AwsSolutions-IAM5",
    "AwsSolutions-L1",
    "AwsSolutions-S1",
    "AwsSolutions-SQS3",
    "Serverless-LambdaDLQ",
    "Serverless-LambdaLatestVersion",
    "Serverless-LambdaStarPermissions",
    "Serverless-SQSRedrivePolicy",
    # By CDK itself, on the flow log: a false finding about the case of a property.
    "CloudFormation-Validate::F3002",
    "CloudFormation-Validate::F3003",
}
"""Rules of which a finding was accepted somewhere: a new one belongs here only with a good reason."""


def _run(command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "CDK_")) or key == "AWS_CA_BUNDLE"
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name(command)), *arguments],
        cwd=ROOT,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def assembly() -> Path:
    """The assembly as it would be deployed. Packages that have not changed are taken from the last one."""
    done = _run("python", "-m", "infra.app", CDK_OUTDIR="cdk.out")
    assert done.returncode == 0, done.stderr
    return ROOT / "cdk.out"


def test_all_checks_together_find_nothing(assembly: Path) -> None:
    report = json.loads((assembly / "validation-report.json").read_text())

    assert [one for one in report["pluginReports"] if one.get("violations")] == []


def test_the_linter_of_templates_finds_nothing(assembly: Path) -> None:
    linted = _run(
        "cfn-lint", "--ignore-checks", "W3005", "--", str(assembly / "Tidegate.template.json")
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_linter_reads_the_state_machine(assembly: Path, tmp_path: Path) -> None:
    template = json.loads((assembly / "Tidegate.template.json").read_text())
    for one in template["Resources"].values():
        if one["Type"] == "AWS::StepFunctions::StateMachine":
            definition = one["Properties"]["DefinitionString"]
            one["Properties"]["DefinitionString"] = definition.replace(
                '"Type": "Choice"', '"Type": "Chance"'
            )
    (tmp_path / "broken.template.json").write_text(json.dumps(template))

    linted = _run("cfn-lint", "--", str(tmp_path / "broken.template.json"))

    assert "E3601" in linted.stdout


def _accepted(assembly: Path) -> Iterator[tuple[str, str, str]]:
    """Resource, finding, reason."""
    template: dict[str, Any] = json.loads((assembly / "Tidegate.template.json").read_text())
    for key, one in template["Resources"].items():
        for rule in one.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", []):
            yield key, rule["id"], rule["reason"]


def test_a_finding_is_accepted_only_on_a_resource_for_a_reason_and_by_a_known_rule(
    assembly: Path,
) -> None:
    accepted = list(_accepted(assembly))

    assert {finding.partition("[")[0] for _, finding, _ in accepted} == ACCEPTED
    for resource, finding, reason in accepted:
        assert len(reason) > 20, (resource, finding)
        if "IAM5" in finding:
            assert finding.endswith("]"), "a wildcard is accepted one by one"


def test_what_no_resource_has_accepted_ends_the_synthesis(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)
    sqs.Queue(cdk.Stack(app, "Stack"), "Queue")
    add_checks(app)

    with pytest.raises(RuntimeError, match="AwsSolutions-SQS4"):
        app.synth()


def _without_hashes(assembly: Path) -> str:
    """The template; what names the code in it is left out, so that an edit in between does not count."""
    text = (assembly / "Tidegate.template.json").read_text()
    return re.sub(r"[0-9a-f]{32,64}", "", text)


def test_two_syntheses_are_the_same(assembly: Path) -> None:
    before = _without_hashes(assembly)

    done = _run("python", "-m", "infra.app", CDK_OUTDIR=str(assembly))

    assert done.returncode == 0, done.stderr
    assert _without_hashes(assembly) == before


def test_a_wrong_choice_is_one_sentence() -> None:
    done = _run("python", "-m", "infra.app", CDK_CONTEXT_JSON='{"network": "private"}')

    assert done.returncode == 1
    assert done.stderr == "error: Context 'network' is 'private'; choose one of public, isolated.\n"


def test_definitions_that_do_not_import_are_one_sentence() -> None:
    done = _run(
        "python", "-m", "infra.inputs", CDK_CONTEXT_JSON='{"definitions": "no_such_module"}'
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no module 'no_such_module'.")
    assert "Traceback" not in done.stderr
