# make test is what CI runs; make bench takes longer and prints figures.

GO ?= go

.PHONY: build test bench fmt

build:
	$(GO) build -o bin/ ./gateway

# Format, vet, staticcheck, and all tests with the race detector, on a real
# PostgreSQL and a real Redis: .ci/prepare installs them where it may.
test:
	.ci/prepare
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=.ci/tools.mod staticcheck ./...
	$(GO) test -race -timeout 10m ./...

bench:
	.ci/prepare
	$(GO) test -run '^$$' -bench . -benchtime 1x -count 1 -timeout 30m ./gateway/app

fmt:
	gofmt -w .
