# The infrastructure, in an environment of its own: aws-cdk-lib alone is 417 MB. No credentials, no Docker, no Node.
# Included by the Makefile; `make -f infra/synth.mk synth` works as well.

PYTHON ?= python3
INFRA_VENV := .venv-infra
INFRA_BIN := $(INFRA_VENV)/bin

.PHONY: synth lint-infra lock-infra

$(INFRA_BIN)/python:
	$(PYTHON) -m venv $(INFRA_VENV)

$(INFRA_VENV)/.installed: pyproject.toml | $(INFRA_BIN)/python
	@echo "Installing the CDK into $(INFRA_VENV) (once; it takes 1.3 GB of disk) ..."
	@$(INFRA_BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile -e '.[infra,example]' pytest
	@touch $@

synth: $(INFRA_VENV)/.installed ## The CloudFormation template, in cdk.out; every check must find nothing
	@$(INFRA_BIN)/python -m infra.inputs
	@CDK_OUTDIR=cdk.out $(INFRA_BIN)/python -m infra.app
	@$(INFRA_BIN)/cfn-lint --ignore-checks W3005 -- cdk.out/*.template.json
	@echo "The template is in cdk.out, and nothing was found in it. To deploy: docs/deploy.md"

lint-infra: $(INFRA_VENV)/.installed ## Tests of the infrastructure: what the template says, and who may do what
	@$(INFRA_BIN)/python -m infra.inputs
	$(INFRA_BIN)/python -m pytest --confcutdir=tests/infra tests/infra

INFRA_LOCK := $(INFRA_BIN)/uv pip compile pyproject.toml --quiet --upgrade --no-header --no-annotate \
	--generate-hashes --only-binary :all: --python $(INFRA_BIN)/python \
	--python-version 3.13 --python-platform aarch64-manylinux_2_34 \
	--no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer \
	--no-emit-package jmespath --no-emit-package urllib3

lock-infra: $(INFRA_VENV)/.installed ## Lock the libraries that are uploaded, after a change of pyproject.toml
	$(INFRA_LOCK) --output-file infra/locks/control_plane.lock
	$(INFRA_LOCK) --extra example --output-file infra/locks/containers.lock
	$(INFRA_LOCK) --extra example --excludes infra/locks/containers_only.txt \
		--output-file infra/locks/user_code.lock
