# The two commands that matter:  make demo   make test
# Needs Python >= 3.11 and make, nothing else.
#
# What is pinned is installed once into LESIONCARE_VENVS, in a folder named by the pins, so that the next checkout
# with the same pins starts at once; .venv is a small environment of this checkout on top of it.

PYTHON ?= python3
LESIONCARE_VENVS ?= $(HOME)/.cache/lesioncare/venvs
PINS := $(shell { sed -n '/^dependencies = /,/^]/p;/^dev = /,/^]/p' pyproject.toml; cat constraints.txt; } | cksum | cut -d ' ' -f 1)
VERSION := $(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null)
SHARED := $(LESIONCARE_VENVS)/$(VERSION)-$(PINS)
PIP := $(SHARED)/bin/python -m pip --quiet --disable-pip-version-check
RUN := .venv/bin/python
MODULES := src tests benchmarks docs tools examples

# The evidence (benchmarks/evidence/PROTOCOL.md): make evidence-PLAN for each of these; resumable.
PLANS := skin_first_pass skin_inner skin_inner_more skin_confirm skin_box_sources skin_controls skin_remedies skin_box_quality skin_ablations \
	skin_full skin_inner_full tbx11k tbx11k_controls busi busi_controls shortcut shortcut_controls
EVIDENCE := runs/evidence
COMPARE := $(RUN) -m lesioncare compare --cache-dir $(EVIDENCE)/features --workers 2 --threads 1

.PHONY: help install demo test coverage lint format bench docs clean evidence-tables evidence-kermany evidence-skin_rarity evidence-skin_rarity_controls $(PLANS:%=evidence-%)

help:
	@echo "make demo     synthetic images, two networks, one report: about two minutes"
	@echo "make test     the whole test suite"
	@echo "make coverage the same, and which lines and branches of src no test reaches: at least 95 % are wanted"
	@echo "make lint     style, types and layers"
	@echo "make docs     the documentation as web pages, site/index.html"
	@echo "make bench    the benchmarks on real data (LESIONCARE_DATA, or ../shared/data)"
	@echo "make evidence-skin_first_pass, and the other plans of benchmarks/evidence: hours, see docs/evidence.md"
	@echo "make install  only the environment, .venv"

# The file 'ready' is made last: an environment without it was interrupted, and is made anew.
$(SHARED)/ready:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "lesioncare needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	rm -rf $(SHARED)
	mkdir -p $(LESIONCARE_VENVS)
	$(PYTHON) -m venv $(SHARED)
	@echo "Installing torch and the rest: 6 GB with torch's GPU libraries, a few minutes."
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install -c constraints.txt --group dev .
	$(PIP) uninstall -y lesioncare
	touch $@

.venv/ready: $(SHARED)/ready
	rm -rf .venv
	$(PYTHON) -m venv --without-pip .venv
	echo "import site; site.addsitedir('$$(ls -d $(SHARED)/lib/python*/site-packages)')" \
		> $$(ls -d .venv/lib/python*/site-packages)/shared.pth
	$(PIP) --python $(RUN) install --no-deps -e .
	touch $@

install: .venv/ready

demo: install
	$(RUN) -m lesioncare demo --output demo

test: install
	$(RUN) -m pytest -n auto

# TESTS: a part of them, as in `make coverage TESTS=tests/boxes`. fail_under is meant for all of them.
TESTS ?= tests
coverage: install
	$(PIP) install --group stress
	rm -f .coverage .coverage.*
	$(RUN) -m coverage run -m pytest -n auto $(TESTS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report

lint: install
	$(SHARED)/bin/ruff format --check $(MODULES)
	$(SHARED)/bin/ruff check $(MODULES)
	$(RUN) -m mypy
	PYTHONPATH=src $(SHARED)/bin/lint-imports

format: install
	$(SHARED)/bin/ruff format $(MODULES)
	$(SHARED)/bin/ruff check --fix $(MODULES)

# The variable silences the theme's notice about its end of life, May 2027, which is no finding about these pages.
docs: install
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

bench: install
	$(RUN) benchmarks/skin_one_fold.py

evidence-tables: install
	$(RUN) benchmarks/evidence/tables.py

$(PLANS:%=evidence-%): evidence-%: evidence-tables
	test ! -f benchmarks/evidence/kept/$*.parquet || $(RUN) benchmarks/evidence/keep.py restore $(EVIDENCE)/$*
	$(COMPARE) --config benchmarks/evidence/$*.yaml --output $(EVIDENCE)/$*
	$(RUN) benchmarks/evidence/keep.py save $(EVIDENCE)/$*
	$(RUN) benchmarks/evidence/summary.py $(EVIDENCE)/$*

# For each number: the table, the plan, and the name of the comparison.
define compare-each
	for number in $(1); do \
		name=$(4); \
		test ! -f benchmarks/evidence/kept/$$name.parquet \
			|| $(RUN) benchmarks/evidence/keep.py restore $(EVIDENCE)/$$name || exit; \
		$(COMPARE) $(EVIDENCE)/tables/$(2).csv --config benchmarks/evidence/$(3).yaml --output $(EVIDENCE)/$$name || exit; \
		$(RUN) benchmarks/evidence/keep.py save $(EVIDENCE)/$$name; \
		$(RUN) benchmarks/evidence/summary.py $(EVIDENCE)/$$name; \
	done
endef

evidence-kermany: evidence-tables
	$(call compare-each,1 5 20,kermany_$$number,kermany,kermany_$$number)

evidence-skin_rarity: evidence-tables
	$(call compare-each,10 20 40 80,skin_rare_$$number,skin_rarity,skin_rare_$$number)

evidence-skin_rarity_controls: evidence-tables
	$(call compare-each,10 20 40 80,skin_rare_$$number,skin_rarity_controls,skin_rare_$${number}_controls)

clean:
	rm -rf .venv demo runs build site .mypy_cache .ruff_cache .import_linter_cache
