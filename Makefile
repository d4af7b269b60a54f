# Two commands do everything: `make demo` and `make test`. Both make a virtual environment in .venv when there is none.

PYTHON ?= python3
BIN := .venv/bin
CORE := .venv/.core
DEV := .venv/.dev

.PHONY: demo test lint types prove bench docs clean

demo: $(CORE)
	@$(BIN)/samoyed reproduce digits

test: $(DEV)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

prove: $(DEV)
	@SAMOYED_PROVE=1 $(BIN)/python -m pytest tests/reliability tests/sources/test_fuzz.py tests/training tests/serving -s
	@SAMOYED_PROVE=1 $(BIN)/python -m pytest tests -m prove --ignore tests/reliability --ignore tests/training --ignore tests/serving

bench: $(DEV)
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.recurrence
	@$(BIN)/python -m benchmarks.translation
	@$(BIN)/python -m benchmarks.execution

docs: $(DEV)
	@$(BIN)/python -m docs.build

$(CORE): pyproject.toml constraints.txt
	@echo "Installing into .venv (about 1.2 GB, a minute or two) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Samoyed needs Python 3.11 or later, and this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable .
	@touch $@

$(DEV): $(CORE)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev,tensorboard,text,audio,music,serve,onnx,parquet,video,tune]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache build *.egg-info
