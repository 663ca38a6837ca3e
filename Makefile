# Everything sets itself up: a virtual environment in .venv, then the job. See README.md.
PYTHON ?= python3
BIN := .venv/bin
# Where Python may not write its bytecode, every process of a demo or a test would compile the house anew.
COMPILE = $(BIN)/python -m compileall -q $(PACKAGES) tests
PACKAGES := spine keys people vehicle_gateway webhooks delivery maintenance vehicle_unit trunkline

.PHONY: setup check test deep demo bench chaos webhooks-chaos crash fuzz second docs words screenshots clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv" >&2
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true  # on all cores; some packages ship what is no Python 3
	@$(COMPILE)
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell $(PACKAGES) tests docs README.md CHANGELOG.md Makefile
	$(BIN)/python -m trunkline.documents --check
	$(BIN)/python -m trunkline.catalogs --check

# The checks run beside the first tests: alone they would leave a core idle for a minute. So does the installing of other
# people's programs that some tests compare us with; those tests say what went wrong with it.
test: setup
	@$(COMPILE)
	@$(BIN)/python -m tests.peers >/dev/null 2>&1 & \
	$(MAKE) --no-print-directory check >.checks.log 2>&1 & checks=$$!; \
	PYTHONHASHSEED=0 $(BIN)/python -m pytest -n 2 --dist loadscope; tests=$$?; \
	wait $$checks; checked=$$?; cat .checks.log; rm -f .checks.log; \
	test $$tests = 0 && test $$checked = 0

# The searches of the unit tests, which `make test` cuts short, ten times as deep (DEPTH=100: a hundred times).
deep: setup
	TESTS_DEPTH=$(or $(DEPTH),10) $(BIN)/python -m pytest -n 2 tests/unit $(ARGS)

demo: setup
	@$(BIN)/trunkline demo $(ARGS)

bench: setup
	@$(BIN)/python -m tests.bench $(if $(BENCH),--only $(BENCH))

chaos: setup
	$(BIN)/python -m tests.chaos$(if $(CHAOS),.$(CHAOS)) $(ARGS)

webhooks-chaos: setup
	$(BIN)/python -m tests.webhooks_chaos $(ARGS)

crash: setup
	$(BIN)/python -m tests.crash $(ARGS)

fuzz: setup
	$(BIN)/python -m tests.fuzz $(ARGS)

second: setup
	$(BIN)/python -m tests.second $(ARGS)

docs: setup
	$(BIN)/python -m trunkline.documents

# Texts of the pages: into the catalogs, and from them what pages and scripts read (ARGS=--check: only look).
words: setup
	@$(BIN)/python -m trunkline.catalogs $(ARGS)

# Every page, light and dark, phone and desk, into build/screenshots (ARGS="--only desk --language de").
screenshots: setup
	@$(BIN)/python -m tests.screenshots $(ARGS)

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
