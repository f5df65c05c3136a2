# make run    set up and run the whole pipeline on the built-in synthetic sample
# make test   set up and run the tests
# make check  style and types
# make bench  side-by-side measurements (minutes)
# make bench-peers  our retriever and those of other libraries on six real logs (hours; goes on where it stopped)
# make lock   renew requirements.lock from pyproject.toml

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PEERS_READY := .venv-peers/.ready

.PHONY: run test check bench bench-peers lock clean

run: $(READY)
	$(BIN)/recsys-cl run --sample --name sample

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks.ratios

bench-peers: $(READY) $(PEERS_READY)
	$(BIN)/python -m benchmarks.peers --home build/peers

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "recsys_cl needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(PEERS_READY): benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement $<
	touch $@

# The CUDA packages are left to torch itself, which pins those its own build needs.
lock:
	$(PYTHON) -m pip install --quiet uv
	echo 'torch==2.13.0' | uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --no-annotate --no-header --no-emit-index-url --quiet --constraint - \
	  | sed -E '/^(cuda-|nvidia-|triton)/d; /^torch==/d' > requirements.lock
	echo 'torch==2.13.0' >> requirements.lock

clean:
	rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis
