# `make` prints what there is. PY may name another interpreter that has the requirements.
PY ?= .venv/bin/python
PYTEST := $(PY) -m pytest
STAMP := .venv/.requirements
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup prerequisites browser docker lxcfs images lint test demo demo-down bench simulate \
  test-unit test-service test-contract test-simulation test-integration test-e2e test-day2 test-soak test-brokers test-faults test-vm test-architecture

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: prerequisites $(if $(filter .venv/bin/python,$(PY)),$(STAMP)) ## .venv with the `rota` command and the tools

$(STAMP): requirements.txt requirements-machines.txt requirements-dev.txt pyproject.toml
	@echo "making .venv (its log: .build/logs/setup.log)"
	@mkdir -p .build/logs
	@python3 -m venv .venv
	@{ .venv/bin/python -m pip install -q -r requirements-dev.txt && \
	   .venv/bin/python -m pip install -q --no-deps -e . --config-settings editable_mode=compat; } > .build/logs/setup.log 2>&1 \
	  || { tail -n 15 .build/logs/setup.log; exit 1; }
	@touch $@

prerequisites: ## install what is missing on this machine (says what first)
	@scripts/prerequisites.sh

browser:
	@scripts/prerequisites.sh --with-browser

docker: prerequisites
	@scripts/ensure-docker.sh

lxcfs: prerequisites
	@scripts/ensure-lxcfs.sh

images: setup docker ## build the container images whose inputs changed
	@$(PY) -m images.build

lint: setup ## ruff, mypy --strict, import rules
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(dir $(PY))lint-imports

# A layer: one pytest run with one closing line.
layer = @echo "== tests/$(1)"; $(PYTEST) tests/$(1) $(2) $(ARGS)
# What runs on real servers gets one second try, since a busy machine can hold up any of them; each
# is named as RERUN at the end, and is to be looked at.
ON_SERVERS := --reruns 1 -rR
# What shares nothing between tests runs two at a time.
IN_PAIRS := -n 2 --dist worksteal
# What has servers for each module and no times to keep runs two modules at a time.
MODULES_IN_PAIRS := -n 2 --dist loadfile --no-loadscope-reorder

test-unit: setup ## rules, no I/O
	$(call layer,unit,$(IN_PAIRS))

test-service: setup ## services on fakes
	$(call layer,service,$(IN_PAIRS))

test-contract: setup docker lxcfs images ## fakes and real doors under one suite
	$(call layer,contract,$(MODULES_IN_PAIRS) $(ON_SERVERS))

test-simulation: setup ## all services in one process, seeded faults
	$(call layer,simulation,$(IN_PAIRS))

test-integration: setup docker lxcfs images ## real Kafka, MySQL, MariaDB, machines
	$(call layer,integration,-m patient $(MODULES_IN_PAIRS) $(ON_SERVERS))
	$(call layer,integration,-m 'not patient' $(ON_SERVERS))

test-e2e: setup browser docker lxcfs images ## the platform on three machines
	$(call layer,e2e,$(ON_SERVERS))

test-day2: setup docker lxcfs images ## init, upgrade, backup, restore, machines come and go, secrets and ports (12 min; not in `test`)
	$(call layer,day2)

test-soak: setup docker lxcfs images ## random faults for minutes, 5,000 jobs in a second, all topics read again (20 min; not in `test`)
	$(call layer,soak)

test-brokers: setup docker lxcfs images ## three brokers, one killed, one moved; servers of one's own (15 min; not in `test`)
	$(call layer,brokers)

test-faults: setup docker lxcfs images ## a machine without power, without its client, with a Docker that hangs amid starts (23 min; not in `test`)
	$(call layer,faults)

test-vm: setup docker lxcfs images ## a real virtual machine becomes a node (minutes; not in `test`)
	$(call layer,vm)

test-architecture: setup ## sizes, imports, files in step
	$(call layer,architecture,$(IN_PAIRS))

test: lint test-architecture test-unit test-service test-simulation test-contract test-integration test-e2e ## everything, as CI does

demo: setup docker lxcfs images ## three machines, the platform on them, a schedule, live
	@$(PY) -m scripts.demo up

demo-down: setup docker ## remove what the demo made
	@$(PY) -m scripts.demo down

bench: setup docker images ## measure (benchmarks/)
	@$(PY) -m benchmarks $(ARGS)

simulate: setup ## many seeds of the simulation: make simulate SEEDS=1000
	@ROTA_SIMULATION_SEEDS=$(or $(SEEDS),1000) $(PYTEST) tests/simulation $(IN_PAIRS) $(ARGS)
