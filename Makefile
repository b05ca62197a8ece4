# make app: install what is needed and open the app on http://127.0.0.1:7860
# make test: install what is needed and run the tests; TESTS=... are pytest's arguments
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: install app test real lint audit clean

$(VENV)/.installed: requirements.txt tests/requirements.txt constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -c constraints.txt -r requirements.txt -r tests/requirements.txt
	touch $@

install: $(VENV)/.installed

app: install
	$(RUN) app.py

test: install lint
	$(RUN) -m pytest $(TESTS)

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# A VLM around a published language model, in REAL: about an hour; repeat it if it was stopped.
REAL ?= runs/smollm2-world
real: install
	$(RUN) -c "import gguf" 2>/dev/null || $(RUN) -m pip install --quiet gguf
	test -d $(REAL) || $(RUN) -m hfru_core assemble --decoder smollm2 --out $(REAL)

# Known advisories against the pinned versions: fails where there are some, and where nobody can be asked.
audit:
	.ci/advisories --strict

clean:
	rm -rf $(VENV) .audit .pytest_cache .ruff_cache .mypy_cache
