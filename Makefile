# All that is run on this repository, here and in CI. `make` alone says what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo build test conformance conformance-tests campaign bench lint fmt

BIN           := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint-v2.15.0
GOVULNCHECK   := $(BIN)/govulncheck-v1.9.0
GOTEST        := go run ./.ci/gotest

# Ringback is shipped without cgo. Only the race detector needs it, on most systems.
export CGO_ENABLED ?= 0

# What could not be done is said, and kept for whoever asks for it (.ci/run does).
skipped = echo "SKIPPED: $(1)" | tee -a "$${RINGBACK_SKIPPED:-/dev/null}"

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1~\2/p' $(MAKEFILE_LIST) | column -t -s '~'

demo: ## a morning at a made-up clinic, then its console on 127.0.0.1:8080 until Ctrl-C
	@go build -o $(BIN)/ringback ./cmd/ringback
	@exec $(BIN)/ringback demo

build: ## the binary ./ringback
	go build -trimpath -o ringback ./cmd/ringback

test: ## all tests that need nothing but Go
	@if cc=$$(CGO_ENABLED=1 go env CC) && command -v "$${cc%% *}" >/dev/null; then \
	  CGO_ENABLED=1 $(GOTEST) -race -shuffle=on ./...; \
	  echo "the short campaign in full, which the race detector would make last for minutes:"; \
	  $(GOTEST) -run '^TestCampaign$$' ./cmd/ringback; \
	else \
	  $(call skipped,the race detector: it needs a C compiler and there is none); \
	  $(GOTEST) -shuffle=on ./...; \
	fi

conformance: ## the real binary against systems nobody here wrote: FHIR servers of Medplum (needs Node) and HAPI (needs Java and Maven), oidc-provider, PostgreSQL
	@peers/run.sh $(MAKE) --no-print-directory conformance-tests

# Started by run.sh, which has set the peers' addresses. One package at a time: they
# share the peers.
conformance-tests:
	@$(GOTEST) -count=1 -p 1 -timeout 20m ./store/... ./scheduler/...
	@$(GOTEST) -count=1 -timeout 40m -parallel 6 -tags conformance ./peers/...

# Hours. RINGBACK_CAMPAIGN_N says how many callbacks, RINGBACK_CAMPAIGN_SEED which.
campaign: export RINGBACK_CAMPAIGN_N := $(or $(RINGBACK_CAMPAIGN_N),10000)
campaign: ## the long campaign: 10,000 callbacks on the sandbox and on each peer while faults strike and the daemon is killed
	go test -count=1 -timeout 24h -v -run TestCampaign ./cmd/ringback
	peers/run.sh go test -count=1 -timeout 24h -tags conformance -v -run TestCampaign ./peers

bench: ## the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

lint: $(GOLANGCI_LINT) $(GOVULNCHECK) ## formatting, vet, golangci-lint, govulncheck, generated files
	@bad=$$(gofmt -s -l .) && { [[ -z $$bad ]] || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }; }
	go mod tidy -diff
	go vet ./... ./.ci/gotest
	go vet -tags conformance ./peers/...
	$(GOLANGCI_LINT) run --allow-parallel-runners ./... ./.ci/gotest
	go test -count=1 -run Diagram ./callback
	@out=$$($(GOVULNCHECK) ./... 2>&1) && echo "$$out" || { status=$$?; echo "$$out"; \
	  case $$out in \
	  *"fetching vulnerabilities"*) $(call skipped,govulncheck: the vulnerability database vuln.go.dev cannot be reached);; \
	  *) exit $$status;; \
	  esac; }

fmt: $(GOLANGCI_LINT) ## put all Go files into their usual form
	$(GOLANGCI_LINT) fmt

# The tools are built by the Go toolchain alone, each under the name of its version.
$(GOLANGCI_LINT):
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(@:$(BIN)/golangci-lint-%=%)
	mv $(BIN)/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@$(@:$(BIN)/govulncheck-%=%)
	mv $(BIN)/govulncheck $@
