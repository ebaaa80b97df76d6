# Every target installs what it needs: uv and Python (.ci/uv), the packages of uv.lock, the layers.
PYTHON := .venv/bin/python
ENV ?= development
WORKERS ?= 2
# With it, as container images set it, every process would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install layers demo up down run tool check-crews deploy-crews crew-fields event-fields settings-table event-schemas test prove check format sbom audit synth bootstrap deploy diff comment destroy smoke cost cost-table redrive recover logs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install:
	@.ci/uv sync --locked --quiet

layers: install
	@$(PYTHON) -m layers.build > /dev/null

demo: install ## deploys the template into a local AWS emulator, runs a crew, stops it all (LLM=provider/name, PORT=)
	@$(PYTHON) -m infra.local.demo

up: install ## the same environment, left running in the background (PORT=)
	@$(PYTHON) -m infra.local.up

down: install ## ends what `make up` started
	@$(PYTHON) -m infra.local.down

run: install ## one crew in this process: CREW=functions/crews/X.yaml INPUT=file
	@test -n "$(CREW)" || { echo "quarterdeck: say which: make run CREW=functions/crews/research-desk.yaml INPUT=notes.md" >&2; exit 2; }
	@PYTHONPATH=functions:layers/crewai/stubs:. $(PYTHON) -m infra.local.run_crew --crew "$(CREW)" $(if $(INPUT),--input "$(INPUT)")

tool: export ARGUMENTS = $(value ARGS)
tool: install ## one tool of functions/tools/ on this machine: NAME=calculator ARGS='{"expression": "2*3"}'
	@PYTHONPATH=functions:layers/crewai/stubs:. $(PYTHON) -m infra.local.run_tool "$(NAME)" "$$ARGUMENTS"

check-crews: install ## validates functions/crews/ and has crewai build it (CREWS=files, directories or projects of CrewAI)
	@PYTHONPATH=functions:layers/crewai/stubs:. $(PYTHON) -m infra.crews.check $(CREWS)

deploy-crews: install ## deploys them: URL=https://… KEY=… (CREWS= as above)
	@PYTHONPATH=functions:. $(PYTHON) -m infra.crews.deploy $(CREWS)

crew-fields: install ## writes the tables of docs/configuration.md
	@PYTHONPATH=functions:. $(PYTHON) -m infra.crews.reference

event-fields: install ## writes the tables of docs/events.md
	@PYTHONPATH=functions:. $(PYTHON) -m infra.crews.event_reference

settings-table: install ## writes the table of docs/environments.md
	@PYTHONPATH=functions:. $(PYTHON) -m infra.settings_table

event-schemas: install ## writes docs/events/
	@PYTHONPATH=functions:. $(PYTHON) -m infra.event_schemas

test: layers ## all tests (ARGS= for pytest, WORKERS=2)
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

prove: layers ## the tests with larger settings
	@QUARTERDECK_PROVE=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check: install ## ruff and mypy
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy

format: install ## formats the code, and fixes what ruff can fix
	@.venv/bin/ruff check --fix --quiet
	@.venv/bin/ruff format --quiet

sbom: install ## what each layer is made of, as CycloneDX, in build/sbom/
	@$(PYTHON) -m layers.sbom

audit: install ## whether a vulnerability is known of what the layers are made of: asks PyPI
	@$(PYTHON) -m layers.audit

synth: install ## the templates of ENV=development, staging or production, in cdk.out/ENV
	@$(PYTHON) -m infra.local.synthesis "$(ENV)" "cdk.out/$(ENV)"

# ASSEMBLY is one that `make synth` wrote before: then nothing is built or synthesised again.
ASSEMBLE := $(if $(ASSEMBLY),install,synth)
CDK = $(PYTHON) -m infra.cdk $@ "$(ENV)" "$(or $(ASSEMBLY),cdk.out/$(ENV))"

bootstrap: $(ASSEMBLE) ## prepares an account and region for the CDK, once: ENV= (ASSEMBLY=)
	@$(CDK)

deploy: $(ASSEMBLE) ## to AWS: ENV= (ASSEMBLY=)
	@$(CDK)

diff: $(ASSEMBLE) ## what a deployment would change: ENV= (ASSEMBLY=, REPORT=file)
	@$(CDK) $(REPORT)

destroy: $(ASSEMBLE) ## deletes the stacks of ENV= (ASSEMBLY=)
	@$(CDK)

comment: ## what `make diff REPORT=file` wrote, as a comment on a pull request: PR=number REPORT=file
	@gh pr comment "$(PR)" --edit-last --create-if-none --body-file "$(REPORT)"

smoke: install ## the sample crew through a deployed service: URL=https://… KEY=…
	@PYTHONPATH=functions:. $(PYTHON) -m infra.smoke

cost: install ## USD a month by AWS's list prices: ENV=production TASKS=100000 (CALLS=4 DURATION=30 REQUESTS=6 CREWS=1)
	@$(PYTHON) -m infra.cost "$(ENV)"

cost-table: install ## writes the examples of docs/operations.md
	@$(PYTHON) -m infra.cost_examples

recover: install ## systems from their archives when the table is lost: ENV=production (FROM=table)
	@PYTHONPATH=functions:. $(PYTHON) -m infra.recover "$(ENV)" $(FROM)

logs: install ## the lines of one task in the logs of all functions: TASK=id ENV=staging (HOURS=24)
	@PYTHONPATH=functions:. $(PYTHON) -m infra.logs "$(ENV)" "$(TASK)" "$(or $(HOURS),24)"

redrive: install ## puts dead letters back: ENV=staging QUEUE=tasks (deployments, backups)
	@$(PYTHON) -m infra.redrive "$(ENV)" "$(or $(QUEUE),tasks)"
