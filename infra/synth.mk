# The infrastructure, in an environment of its own: aws-cdk-lib alone is 417 MB. No credentials, no Docker, no Node.
# Included by the Makefile; `make -f infra/synth.mk synth` works as well.

INFRA_VENV := .venv-infra
INFRA_PYTHON := $(INFRA_VENV)/bin/python
INFRA_BASE ?= python3

.PHONY: synth lint-infra lock-infra

$(INFRA_VENV)/installed: pyproject.toml
	$(INFRA_BASE) -m venv $(INFRA_VENV)
	$(INFRA_PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[infra,example]' pytest
	@touch $@

## Synthesize the CloudFormation template into cdk.out: policy checks and linters must find nothing.
synth: $(INFRA_VENV)/installed
	$(INFRA_PYTHON) -m infra.inputs
	CDK_OUTDIR=cdk.out $(INFRA_PYTHON) -m infra.app
	$(INFRA_VENV)/bin/cfn-lint --ignore-checks W3005 -- cdk.out/*.template.json
	@echo "The template is in cdk.out. docs/deploy.md tells how to deploy it."

## Check the infrastructure: what its template must say, and who may do what.
lint-infra: $(INFRA_VENV)/installed
	$(INFRA_PYTHON) -m infra.inputs
	$(INFRA_PYTHON) -m pytest --confcutdir=tests/infra tests/infra

## Lock the libraries that are uploaded, after a change of the dependencies in pyproject.toml.
LOCK := $(INFRA_VENV)/bin/uv pip compile pyproject.toml --quiet --upgrade --no-header --no-annotate \
	--generate-hashes --only-binary :all: --python $(INFRA_PYTHON) \
	--python-version 3.13 --python-platform aarch64-manylinux_2_34 \
	--no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer \
	--no-emit-package jmespath --no-emit-package urllib3
lock-infra: $(INFRA_VENV)/installed
	$(LOCK) --output-file infra/locks/control_plane.lock
	$(LOCK) --extra example --output-file infra/locks/containers.lock
	$(LOCK) --extra example --excludes infra/locks/containers_only.txt \
		--output-file infra/locks/user_code.lock
