# Each target makes the virtual environment that it needs; only Python (>= 3.11) and make have to be there.
PYTHON ?= python3
PORT ?= 8000
HOST = http://127.0.0.1:8000# not ?=: some shells export HOST as the machine's name
USERS = 8
MIX = good
UI_PORT = 8089
TIME = 30s
WORKLOADS = A,A-onnxruntime,A-bf16,A-int8,B,C
PEERS = naive,openvino,litserve,mosec
TURNS = 8
SECONDS = 2
ROUNDS = 1
AGAINST =
IMAGE = snellen:cpu
SBOM = build/sbom.cdx.json
TORCH_INDEX =
WORKERS = 2
VENV := .venv
TRAIN := .venv-train
DIST := dist
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SELF := --no-deps --editable .
SERVICE_CODE := service models snellen scripts tests benchmarks
PEERS_MADE = $(filter litserve mosec,$(subst $(COMMA), ,$(PEERS)))
COMMA := ,
TORCH_SAYS = $(if $(TORCH_INDEX),PyTorch from $(TORCH_INDEX),PyTorch with CUDA takes about 6 GB on disk; \
  a machine without a GPU needs a CPU build only: make $(MAKECMDGOALS) TORCH_INDEX=https://download.pytorch.org/whl/cpu)
TRAINING_COMMANDS := training_extra $(addprefix commands/,import_network optimize report summary train)

.PHONY: serve wheel install-training test test-service test-training test-slow check format lock docs load load-ui bench bench-check audit sbom clean

serve: $(VENV)/.service  ## answer on PORT with the bundles in models/
	$(BIN)/snellen serve --port $(PORT)

wheel: $(VENV)/bin/python  ## the package for pip in DIST, with the bundle imagenet
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(DIST) .
	@ls -lh $(DIST)/snellen-*.whl

test: test-service test-training  ## what CI runs, after `make check`; WORKERS=2 processes run tests at a time

test-service: $(VENV)/.test
	$(BIN)/python -m pytest --ignore tests/training -m "not slow" -n $(WORKERS) --dist loadfile

test-training: $(TRAIN)/.train
	$(TRAIN)/bin/python -m pytest tests/training -m "not slow" -n $(WORKERS)

test-slow: $(VENV)/.test $(TRAIN)/.train  ## minutes long
	$(BIN)/python -m pytest --ignore tests/training -m slow
	$(TRAIN)/bin/python -m pytest tests/training -m slow

install-training: $(TRAIN)/.train  ## snellen with PyTorch, in .venv-train; TORCH_INDEX=... takes its builds from there

check: $(VENV)/.test $(TRAIN)/.train  ## format, lint, strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --follow-imports silent $(SERVICE_CODE) --exclude '^(snellen/($(subst $() ,|,$(TRAINING_COMMANDS)))\.py|tests/training/)'
	$(TRAIN)/bin/mypy --follow-imports silent training $(TRAINING_COMMANDS:%=snellen/%.py) tests/training

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

load: $(VENV)/.load  ## USERS on HOST for TIME, MIX=good|raw|many|mixed|hostile; RECORD=1 [NOTE=...] keeps the result in benchmarks/RESULTS.md
	@mkdir -p build; rm -f build/load.json
	@$(LOCUST) --headless --only-summary --json-file build/load || [ $$? -eq 1 ]  # 1: requests failed, which the report says
	@$(BIN)/python benchmarks/load/locust_report.py build/load.json --host $(HOST) --mix $(MIX) --users $(USERS) \
	  --time $(TIME) --flags "$(LOAD_FLAGS)" $(if $(RECORD),--write) $(if $(NOTE),--note "$(NOTE)")

load-ui: $(VENV)/.load  ## the same from a web page, http://127.0.0.1:8089
	$(LOCUST) --web-host 127.0.0.1 --web-port $(UI_PORT)

LOCUST = $(BIN)/locust --locustfile benchmarks/load/locustfile.py --host $(HOST) --mix $(MIX) --users $(USERS) \
  --spawn-rate $(USERS) --run-time $(TIME) --stop-timeout 10 $(LOAD_FLAGS)

bench: $(VENV)/.bench $(TRAIN)/.train $(PEERS_MADE:%=build/bench/env/%/.made)  ## the service, its ceilings, its peers
	$(BIN)/python -m benchmarks.compare --workloads $(WORKLOADS) --peers "$(PEERS)" --turns $(TURNS) \
	  --seconds $(SECONDS) --rounds $(ROUNDS) $(if $(AGAINST),--against $(AGAINST)) $(if $(WRITE),--write)

bench-check: $(VENV)/.bench  ## whether the ratios hold that must; after `make bench`
	$(BIN)/python -m benchmarks.check build/bench/results.json

audit: build/audit/.made  ## known vulnerabilities of all that requirements/ pins; asks the advisory service of PyPI
	build/audit/bin/python -m scripts.audit $(wildcard requirements/*.txt)

sbom: build/audit/.made  ## what is in IMAGE, as CycloneDX in SBOM; takes Docker
	@mkdir -p $(dir $(SBOM))
	build/audit/bin/python -m scripts.sbom $(IMAGE) $(SBOM)

docs: $(VENV)/.service  ## write what is generated from the code
	$(BIN)/python -m scripts.reference

lock: $(VENV)/.test  ## renew requirements/*.txt from pyproject.toml
	$(BIN)/python $(PIP_INSTALL) uv==0.13.9
	requirements/lock.sh --upgrade

clean:
	rm -rf $(VENV) $(TRAIN) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(TRAIN)/bin/python:
	$(PYTHON) -m venv $(TRAIN)

$(VENV)/.service: requirements/cpu.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/cpu.txt
	$(BIN)/python $(PIP_INSTALL) $(SELF)
	touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.service
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/test.txt
	touch $@

$(VENV)/.load: requirements/load.txt $(VENV)/.service
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/load.txt
	touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.service
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	touch $@

build/audit/.made: requirements/audit.txt
	$(PYTHON) -m venv build/audit
	build/audit/bin/python $(PIP_INSTALL) --require-hashes -r $<
	touch $@

build/bench/env/%/.made: requirements/bench-%.txt
	$(PYTHON) -m venv build/bench/env/$*
	build/bench/env/$*/bin/python $(PIP_INSTALL) --require-hashes -r $<
	touch $@

$(TRAIN)/.train: requirements/torch.txt requirements/train.txt pyproject.toml | $(TRAIN)/bin/python
	@echo "$(TRAIN): $(TORCH_SAYS)"
	$(TRAIN)/bin/python $(PIP_INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r requirements/torch.txt
	$(TRAIN)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/train.txt
	$(TRAIN)/bin/python $(PIP_INSTALL) $(SELF)
	touch $@
