# mod_krait: `make run` builds everything and serves a demo page, `make test` runs every check.
SHELL := /bin/bash
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help setup build run test bench bench-quick docker-test bare-test clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing (Debian 12, Ubuntu 22.04 or newer)
	@scripts/setup.sh

build: setup ## Build everything into dist/
	@scripts/build.sh

run: build ## Serve the demo application on 127.0.0.1:8000 (PORT=... for another port)
	@exec dist/krait serve --listen 127.0.0.1:$(PORT) examples/demo/app.py

test: build ## Run every check there is
	@scripts/test.sh

bench: build ## Measure against the peers; writes docs/benchmark.md (about six minutes)
	@scripts/setup.sh --bench
	@exec /usr/bin/python3 bench/bench.py

bench-quick: build ## The same in a minute; prints only
	@scripts/setup.sh --bench
	@exec /usr/bin/python3 bench/bench.py --quick

docker-test: build ## Build the Docker image and test the container
	@docker/test.sh

bare-test: ## Prove `make run` and `make test` on a bare Debian 12 in a container (slow)
	@docker/bare-test.sh

clean: ## Remove what was built (keeps .venv and .cache)
	rm -rf dist
	cargo clean
