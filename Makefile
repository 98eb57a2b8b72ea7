# Every target sets up what it needs in .venv; nothing else on the machine is touched, except for the
# cache of the tests' servers and helm (~/.cache/m2s). `make test` and `make demo` need no other step.

# The tests start hundreds of processes: each would compile all of m2s anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST_ARGS ?= -m 'not slow and not thorough'

.DEFAULT_GOAL := help
.PHONY: help demo demo-serving test test-quick test-all test-serving bench soak check format completions docs constraints locks helm_deploy helm_delete clean

# What there is.
help:
	@echo 'make demo         m2s from end to end on this machine, without a cluster'
	@echo 'make demo-serving the same with models that answer and one that cannot, on Linux'
	@echo 'make test         the tests, on a real MLflow server and a real Kubernetes API server'
	@echo 'make test-quick   those that need no server and no registry, in seconds; ARGS=tests/test_x.py for some'
	@echo 'make test-all     the slow ones too, as CI does'
	@echo 'make test-serving models that answer from pods that run, on Linux; part of test-all'
	@echo 'make soak         every request spoiled in every way, and all other troubles: an hour'
	@echo 'make bench        what m2s costs, side by side with kubectl; BENCH_ARGS=--quick for a glance'
	@echo 'make check        style, types and import laws'
	@echo 'make format       let ruff put the style right'
	@echo 'make completions  write the shell completions anew'
	@echo 'make docs         write docs/reference/options.md anew'
	@echo 'make constraints  take the newest versions of everything and pin them'
	@echo 'make locks        write the hashes of the pinned versions that the image installs'
	@echo 'make helm_deploy  install or upgrade a release of the chart; asks what is not set'
	@echo 'make helm_delete  remove it'
	@echo 'make clean        remove what these targets made'

# The environment, made once and again whenever the requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "m2s needs Python 3.11 or later, and $(PYTHON) is not: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks venv: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@echo 'setting up .venv (some minutes and 1.5 GB the first time)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,dev]'
	@touch $@

# The product, shown: a registry and a cluster made up in a folder.
demo: $(INSTALLED)
	@$(BIN)/m2s demo

# The same with models that answer, from pods that run: Linux, and minutes. Elsewhere the demo above.
demo-serving: $(INSTALLED)
	@$(BIN)/python -m tests.pods.demo

# The tests. The API server, helm and azurite are found, fetched or built first, where that can be
# watched: it takes minutes, once. Without them the tests that need them are skipped, loudly;
# M2S_REQUIRE_CLUSTER=1 refuses.
test: $(INSTALLED)
	@assets="$$($(BIN)/python -m tests.controlplane.assets)" || [ "$$M2S_REQUIRE_CLUSTER" != 1 ] || exit 1; \
	helm="$$($(BIN)/python -m tests.helm.binary)" || [ "$$M2S_REQUIRE_CLUSTER" != 1 ] || exit 1; \
	azurite="$$($(BIN)/python -m tests.azurite.program)" || [ "$$M2S_REQUIRE_CLUSTER" != 1 ] || exit 1; \
	AZURITE="$$azurite" HELM="$$helm" KUBEBUILDER_ASSETS="$$assets" $(BIN)/python -m pytest -n 2 --dist loadscope $(PYTEST_ARGS)

# The pure ones, while one works on something, with three cases of each table. ARGS are pytest's: what
# they name is run with all of its cases.
test-quick: $(INSTALLED)
	@M2S_TEST_QUICK=1 M2S_TEST_CASES=$(if $(ARGS),,3) $(BIN)/python -m pytest -n 2 --dist loadscope -q -m 'not server and not slow and not thorough' $(ARGS)

# The controller's processes, the chart's rights and a fresh installation as well, and the laws on
# three times as many examples; MLflow servers of other generations, in environments that are made
# once, in the same cache; KServe and pods that run, of programs that are built there as well.
test-all: $(INSTALLED)
	@$(BIN)/python -m tests.generations.environments || [ "$$M2S_REQUIRE_CLUSTER" != 1 ] || exit 1
	@$(LOOPS) >&2 || [ "$$M2S_REQUIRE_CLUSTER" != 1 ] || exit 1
	@M2S_TEST_ALL=1 $(MAKE) --no-print-directory test PYTEST_ARGS=

# What needs Deployments to become pods, on KServe and in namespaces of this machine; docs/serving-lab.md.
LOOPS = { $(BIN)/python -m tests.controllers.binary && $(BIN)/python -m tests.kserve.binary; }
test-serving: $(INSTALLED)
	@assets="$$($(BIN)/python -m tests.controlplane.assets)" && $(LOOPS) >&2 || exit 1; \
	KUBEBUILDER_ASSETS="$$assets" $(BIN)/python -m pytest -n 2 --dist loadscope -m serving $(ARGS)

# Faults: each kind of request x each fault, once and always, and then what there is on kills, lapsed
# leases, lying registries, full disks and hostile input. M2S_SOAK_LOG=FILE follows the first part.
SOAK := tests/cli/test_streams.py tests/laws tests/objects/test_layers_hostile.py tests/output/test_hostile_output.py \
    tests/targets/test_cluster_faults.py tests/targets/test_fence.py tests/targets/test_lease.py tests/watch
soak: $(INSTALLED)
	@assets="$$($(BIN)/python -m tests.controlplane.assets)" || exit 1; \
	export M2S_SOAK=1 M2S_TEST_ALL=1 M2S_REQUIRE_CLUSTER=1 KUBEBUILDER_ASSETS="$$assets"; \
	$(BIN)/python -m pytest -n 2 --dist loadgroup -o faulthandler_timeout=0 tests/soak && $(BIN)/python -m pytest -n 2 --dist loadscope $(SOAK)

# What it costs, on servers of its own; the table goes to docs/benchmarks.md. It wants an idle machine.
bench: $(INSTALLED)
	@assets="$$($(BIN)/python -m tests.controlplane.assets)" || exit 1; \
	KUBEBUILDER_ASSETS="$$assets" $(BIN)/python -m tests.bench --write docs/benchmarks.md $(BENCH_ARGS)

# What reading finds: style, types, which room may import which.
check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What ruff can put right by itself.
format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The completions that ship with m2s. Zsh wants its #compdef on the first line, so the empty one goes.
completions: $(INSTALLED)
	@for shell in bash zsh fish; do \
	    script=completions/m2s.$$shell; \
	    _M2S_COMPLETE=source_$$shell $(BIN)/m2s > $$script || exit 1; \
	    sed -i.old '1{/^$$/d;}' $$script && rm $$script.old || exit 1; \
	done

# The page of options, from the table of options.
docs: $(INSTALLED)
	@$(BIN)/python -m tests.kits.reference

# New pins: a fresh environment without constraints, and what came of it.
constraints:
	@rm -rf .venv-constraints && $(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[local,dev]'
	@sed -i.old '/^[^#]/d' constraints.txt && rm constraints.txt.old
	@.venv-constraints/bin/python -m pip freeze --exclude mlflow-m2s >> constraints.txt
	@rm -rf .venv-constraints
	@$(MAKE) --no-print-directory locks

# What the image may install, byte for byte: the core, what each extra adds to it, and what builds
# m2s itself, of constraints.txt's versions.
LOCK = .venv-locks/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes \
    --python-version 3.11 --python-platform linux
locks:
	@rm -rf .venv-locks && $(PYTHON) -m venv .venv-locks
	@.venv-locks/bin/python -m pip install --quiet --disable-pip-version-check uv
	@mkdir -p locks && rm -f locks/*.txt
	@$(LOCK) --constraint constraints.txt pyproject.toml --output-file locks/core.txt >/dev/null
	@core=$$(sed -n 's/^\([^ ]*\)==.*/--no-emit-package \1/p' locks/core.txt); \
	for extra in local s3 gcs azure; do \
	    $(LOCK) --constraint constraints.txt --extra $$extra $$core pyproject.toml \
	        --output-file locks/$$extra.txt >/dev/null || exit 1; \
	done
	@sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | $(LOCK) - --output-file locks/build.txt >/dev/null
	@rm -rf .venv-locks

# One release per stage, into the cluster that kubectl is pointed at; charts/release.sh has the variables.
# DRY_RUN=1 checks every answer and touches nothing.
helm_deploy:
	@charts/release.sh deploy

helm_delete:
	@charts/release.sh delete

# What the targets made; the API server, helm and azurite stay in their cache.
clean:
	rm -rf .venv .venv-constraints .venv-locks .m2s-demo build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find m2s tests -name __pycache__ -type d -prune -exec rm -rf {} +
