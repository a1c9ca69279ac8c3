# make figures   the whole graph on the demo corpus; PROFILE=config/midi.yaml SOURCE=folder for yours
# make report    after it: a page with all tables, figures and executed notebooks
# make test      formatter, linter and tests, a file a core
# make lab       JupyterLab on the notebooks
PROFILE ?= config/demo.yaml
CORES ?= all
# The environment at hand if CAMIL is installed in it (conda, a container); else one in .venv.
PYTHON := $(shell python3 -I -c "import importlib.metadata as m; m.version('camil'), m.version('snakemake')" 2>/dev/null && echo python3 || echo .venv/bin/python)
# The Snakefile reads it from here: no quoting, no reading as YAML.
export SOURCE SOUNDFONTS UNSEEN
READY := $(if $(filter .venv/bin/python,$(PYTHON)),.venv/ready)

figures: $(READY)
	$(PYTHON) -m snakemake --cores $(CORES) --configfile '$(PROFILE)' --rerun-incomplete

report: figures
	$(PYTHON) -m camil.workbook.report '$(PROFILE)'

test: $(READY)
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --dist loadfile

lab: $(READY)
	$(PYTHON) -m jupyterlab --notebook-dir=. $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_preprocess.ipynb

.venv/ready: pyproject.toml constraints.txt
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet uv
	.venv/bin/python -m uv pip install --quiet --compile-bytecode --python .venv/bin/python -c constraints.txt -e '.[workbook,workflow,test]'
	touch $@

.PHONY: figures report test lab
