# make figures   the whole graph on the demo corpus; PROFILE=config/midi.yaml SOURCE=folder for yours
# make test      formatter, linters and tests, one test file per core at a time
# make notebooks   after make figures: executes the notebooks and keeps their outputs
# make book      the notebooks and docs as a site: book/html/index.html
# make lab       JupyterLab on the notebooks
PROFILE ?= config/demo.yaml
CORES ?= all
# The active environment if CAMIL is installed in it (conda, a container), else one in .venv.
PYTHON := $(shell python3 -I -c "import importlib.metadata as m; m.version('camil'), m.version('snakemake')" 2>/dev/null && echo python3 || echo .venv/bin/python)
# Read by the Snakefile from the environment, without quoting or YAML. It remembers them per profile.
export SOURCE SOUNDFONTS UNSEEN
# Idle threads sleep instead of spinning, so that training beside another process stays fast.
export OMP_WAIT_POLICY ?= PASSIVE
READY := $(if $(filter .venv/bin/python,$(PYTHON)),.venv/ready)

figures: $(READY)
	$(PYTHON) -m snakemake --cores $(CORES) --configfile '$(PROFILE)' --rerun-incomplete

test: $(READY)
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-cache
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --dist loadfile

notebooks: figures
	$(PYTHON) -m camil.workbook.publish

book: $(READY)
	$(PYTHON) -m sphinx -q -b html -c book . book/html

lab: $(READY)
	$(PYTHON) -m jupyterlab --notebook-dir=. $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_preprocess.ipynb

.venv/ready: pyproject.toml constraints.txt
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet uv
	.venv/bin/python -m uv pip install --quiet --compile-bytecode --python .venv/bin/python -c constraints.txt -e '.[workbook,workflow,test,book]'
	touch $@

.PHONY: figures notebooks book test lab
