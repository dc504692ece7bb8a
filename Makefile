# Each target is what its comment says; `make test` and `make quickstart` are all that a newcomer needs.
SHELL := /bin/bash
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@latest

.PHONY: build quickstart transfer test soak bench bench-tokenizers bench-trainer conformance lint vuln fuzz clean

build: ## both commands into bin/
	go build -o bin/ ./cmd/ingest ./cmd/train

quickstart: ## real text to shards to two small models, in two minutes
	go run ./internal/quickstart

transfer: ## what pretraining is worth, in tables and pictures; takes hours on two cores
	go run ./internal/transfer

test: ## everything that proves the project right, in minutes
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go test -race -shuffle=on -timeout 10m ./...

soak: ## what takes longer: kills at thirty moments, every crash point, 3 GB under a memory limit
	SHARDMILL_SOAK=1 go test -shuffle=on -timeout 120m -v -run 'Crash|Kill|Soak' ./pipeline/... ./internal/endtoend

bench: ## pipeline cost per record, JSONL.zst to shards beside zstd, loader samples per second
	go test -run '^$$' -bench . -benchtime 2s ./pipeline ./datasets/loader
	go test -run '^$$' -bench Ingest -benchtime 5x ./internal/endtoend

bench-tokenizers: ## tokenizers beside Hugging Face, gigatoken, tiktoken and others, in one run; ARGS=--quick shows that it works
	./bench/tokenizers/run $(ARGS)

bench-trainer: ## training, fine-tuning and generation beside PyTorch and transformers, in one run; ARGS=--quick shows that it works
	./bench/trainer/run $(ARGS)

conformance: ## holds ids, files and models against the Python packages that define them
	./conformance/run $(AREAS)

lint: ## linters chosen in .golangci.yml
	go run $(GOLANGCI_LINT) run ./...

vuln: ## known vulnerabilities in what we call; needs the vulnerability database
	go run $(GOVULNCHECK) ./...

fuzz: ## every fuzz target for FUZZTIME each
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-20s} -fuzzminimizetime 200x $$pkg || exit 1; \
	  done; \
	done

clean:
	rm -rf bin build
