package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// times returns the number in an environment variable, else the default.
func times(variable string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return byDefault
}

// TestKilledGatewayLosesNothing proves that, after kill -9 at random moments, the file holds each event
// of a source that replays, and those of a key in order. KILLS sets the number of kills.
func TestKilledGatewayLosesNothing(t *testing.T) {
	const total = 150_000
	dir := t.TempDir()
	config, position := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "position")
	writeFile(t, config, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 0, count: %d, position: %q, key: number %% 16}
sinks:
  out: {type: file, path: %q, sync: never, rotate: {size: 0}}
routes:
  all: {from: [made], to: [out]}
`, total, position, filepath.Join(dir, "out.jsonl")))
	kills := times("KILLS", 5)
	for n := range kills {
		p := startBinary(t, nil, "-c", config)
		p.awaitReady()
		for acked(t, position) < (n+1)*total/(kills+2) { // until a part is acked
			time.Sleep(time.Millisecond)
		}
		time.Sleep(rand.N(5 * time.Millisecond)) // anywhere within a batch
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.exit(testenv.Wait)
	}
	last := startBinary(t, nil, "-c", config)
	last.awaitReady() // a SIGTERM before that ends it without a drain
	testenv.Eventually(t, 2*testenv.Wait, fmt.Sprintf("%d acked", total), func() bool { return acked(t, position) >= total }, func() string { return fmt.Sprint(acked(t, position)) })
	last.cmd.Process.Signal(syscall.SIGTERM)
	if code := last.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	seen, written := make([]bool, total), 0
	f, err := os.Open(filepath.Join(dir, "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	next, torn := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); written++ {
		e, err := event.ParseLine(lines.Bytes())
		if err != nil { // half a line: the kill was during a write
			torn++
			continue
		}
		var number int
		if _, err := fmt.Sscanf(string(e.Data), `{"number":%d}`, &number); err != nil {
			t.Fatal(err)
		}
		if e.ID != fmt.Sprint("made-", number) || e.Key != fmt.Sprint(number%16) || number > next {
			t.Fatalf("event %d comes with ID %s and key %s, after %d", number, e.ID, e.Key, next-1)
		}
		next = max(next, number+1)
		seen[number] = true
	}
	for n := range total {
		if !seen[n] {
			t.Fatalf("event %d is lost", n)
		}
	}
	if torn > kills {
		t.Errorf("%d lines are torn after %d kills", torn, kills)
	}
	t.Logf("%d kills: %d events, %d written twice, %d lines torn", kills, total, written-torn-total, torn)
}

func acked(t *testing.T, position string) int {
	text, err := os.ReadFile(position)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
