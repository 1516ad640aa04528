# CI runs make test. make bench and make soak take longer and print figures. make chaos repeats the fault
# tests many times.

GO ?= go

# The folders with a module. each runs a command in all of them, and ends with the first that fails.
MODULES := $(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path '*/node_modules/*')))
each = for module in $(MODULES); do (cd $$module && $(1)) || { echo "failed in $$module"; exit 1; }; done

LDFLAGS = -X eventgateway/gateway/app.Version=$$(git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: run build bin/gateway bin/gateway-full test release bench bench-others soak chaos fuzz fmt screenshots

# Without DATABASE_URL and REDIS_URL, the gateway starts an embedded PostgreSQL and Redis, which
# .ci/prepare installs if they are missing and apt-get is permitted.
run: bin/gateway
	@.ci/prepare --run
	bin/gateway -c gateway.yaml

build: bin/gateway bin/gateway-full

bin/gateway:
	$(GO) build -ldflags "$(LDFLAGS)" -o bin/ ./gateway

# With the plugins and features that are too large for bin/gateway.
bin/gateway-full:
	$(GO) build -C gateway/full -ldflags "$(LDFLAGS)" -o $(CURDIR)/bin/gateway-full .

# Format, vet, staticcheck, and all tests with the race detector, of each module, on a real
# PostgreSQL and a real Redis, which .ci/prepare installs if permitted.
test:
	.ci/prepare
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	@$(call each,$(GO) vet ./...)
	@$(call each,$(GO) tool -modfile=$(CURDIR)/.ci/tools.mod staticcheck ./...)
	@$(call each,$(GO) test -race -timeout 25m -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) ./...)

# Archives, packages, the Helm chart and checksums of the checked-out commit, in bin/release. It verifies them: it builds
# twice, and installs, upgrades and renders them.
release:
	.ci/prepare --release
	$(GO) run ./gateway/release -o bin/release

# One table of all benchmarks, at most 40 minutes; also as lines of JSON in bin/bench.jsonl. BENCH_PAIRS=n sets the number of
# alternating runs beside each bare loop.
bench:
	.ci/prepare
	@mkdir -p bin
	{ $(GO) test -run '^$$' -bench . -benchtime 1x -count 1 -timeout 40m ./gateway/app; \
	$(GO) test -run '^$$' -bench Program -benchtime 1x -count 1 -timeout 10m ./sources/exec ./transforms/exec ./sinks/exec; \
	$(GO) test -run '^$$' -bench 'Subscriptions|Feeder' -benchtime 1x -count 1 -timeout 15m ./sinks/websocket; \
	$(GO) test -run '^$$' -bench . ./gateway/internal/router ./gateway/internal/queue ./gateway/rawjson ./gateway/expr ./transforms/set; } 2>&1 | $(GO) run ./gateway/bench -o bin/bench.jsonl

# The gateway beside programs of others on the same work: ws of Node.js, melody, centrifuge, watermill.
bench-others:
	.ci/prepare
	$(GO) build -o bin/others/ ./gateway
	$(GO) build -C gateway/bench/others -o ../../../bin/others/ ./...
	npm install --prefix gateway/bench/others/node --no-package-lock --no-audit --no-fund
	OTHERS=$(CURDIR)/bin/others $(GO) test -run '^$$' -bench Others -benchtime 1x -timeout 40m ./gateway/app 2>&1 | $(GO) run ./gateway/bench

# 20 minutes at half load: memory and latency stay the same.
soak:
	.ci/prepare
	SOAK=20m $(GO) test -run '^$$' -bench Soak -benchtime 1x -timeout 40m ./gateway/app 2>&1 | $(GO) run ./gateway/bench

# Fault tests with hundreds of faults, and random scenarios by the ten thousand.
# SEED=n repeats a run.
chaos:
	.ci/prepare
	SHORT=0 $(GO) test -race -count 1 -timeout 60m -run TestChaos -v ./gateway
	RELOADS=1000 STOPS=100 KILLS=30 $(GO) test -race -count 1 -timeout 60m -run 'ReloadsUnderLoad|StopUnderLoad|KilledGateway|TwoGateways' ./gateway ./gateway/app
	$(GO) test -race -count 1 -timeout 30m -run 'Accounted|Model|WaitForTheirKey' ./gateway/internal/router ./gateway/internal/queue -rapid.checks=10000
	KILLS=100 $(GO) test -race -count 1 -timeout 30m -run KilledPrograms ./gateway/app
	OUTAGES=2,10,60 $(GO) test -race -count 1 -timeout 30m -parallel 4 -run TestOutages -v ./gateway
	IDLE_CLIENTS=9900 IDLE_SECONDS=600 $(GO) test -count 1 -timeout 30m -run IdleClients -v ./gateway
	STUCK_CLIENTS=1000 $(GO) test -count 1 -timeout 30m -run StuckClients -v ./sinks/websocket
	STORM_CLIENTS=200 STORM_DROPS=20 $(GO) test -race -count 1 -timeout 30m -run TestReconnectStorm -v ./sinks/websocket
	STORM_CLIENTS=500 STORM_DROPS=20 STORM_BATCH=10 $(GO) test -count 1 -timeout 30m -run TenantReconnectStorm -v ./sinks/websocket
	REPLICA_CLIENTS=1000 REPLICA_ROUNDS=20 $(GO) test -race -count 1 -timeout 30m -run ReplicasRestart -v ./gateway
	ROLLING_CLIENTS=1000 $(GO) test -race -count 3 -timeout 30m -run 'RollingRestart|ACME' -v ./gateway
	PRESENCE_CHECKS=300 $(GO) test -race -count 1 -timeout 30m -run CountsOfNodes -v ./sinks/websocket/presence
	CHURN_SECONDS=600 $(GO) test -race -count 1 -timeout 30m -run ClientChurn -v ./sinks/websocket
	CHURN_SECONDS=600 $(GO) test -count 1 -timeout 30m -run ChurnAndReloads -v ./gateway/app
	$(GO) test -race -count 1 -timeout 30m -run 'Rule|Unknown|Equality|Terms|Numbers' ./gateway/expr -rapid.checks=100000
	$(GO) test -race -count 20 -timeout 60m -run 'Forge|Fetch|Rights|Foreign|Untrusted|Owner|Lease|Terms' ./sources/postgresnotify ./sources/postgresoutbox ./gateway/pgconn
	CHANGES=100000 ROWS=20000 $(GO) test -race -count 1 -timeout 30m -run 'Chaos|RandomTexts' -v ./sources/postgresoutbox ./sources/postgreswal
	MOVES=50 $(GO) test -race -count 1 -timeout 30m -run MoveBetween -v ./gateway
	RUNS=20 $(GO) test -race -count 1 -timeout 30m -run RandomFailovers -v ./sources/postgresoutbox
	SETBACKS=100 $(GO) test -race -count 5 -timeout 60m -run 'SetBackUnderLoad|Advice|Reused|CopyWith|CopyOf|RestoreInto|PointInTime|PromotedStandby' -v ./sources/postgresoutbox

# Random documents and expressions, evaluated lazily and after a full decode.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzLazyEqualsFull -fuzztime 10m ./gateway/expr
	$(GO) test -run "^$$" -fuzz FuzzTermsFindFilters -fuzztime 10m ./gateway/expr
	$(GO) test -run '^$$' -fuzz FuzzScan -fuzztime 10m ./gateway/rawjson

# The pictures in the documents: the page of a gateway with embedded servers.
screenshots:
	.ci/prepare
	@mkdir -p bin/screenshots
	SCREENSHOTS=$(CURDIR)/bin/screenshots $(GO) test -count 1 -run TestDashboardFirstMinute ./gateway/app
	cp bin/screenshots/first-minute-light-1280.png gateway/docs/dashboard.png
	cp bin/screenshots/redis-away-light-1280.png gateway/docs/dashboard-outage.png

fmt:
	gofmt -w .
