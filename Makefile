# make test is what CI runs; make bench takes longer and prints figures.

GO ?= go

.PHONY: run build test bench fmt

# With nothing set this starts a private PostgreSQL and Redis beside the gateway.
run: build
	@[ -n "$$DATABASE_URL" ] || .ci/prepare --run
	bin/gateway -c gateway.yaml

build:
	$(GO) build -ldflags "-X eventgateway/gateway/app.Version=$$(git describe --tags --always --dirty 2>/dev/null || echo dev)" -o bin/ ./gateway

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
