package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/testenv"
)

// TestKilledGatewayLosesNoDeadLetter proves that, after kill -9 at random moments, the store holds each event of a source that replays and
// that no sink could get. Another gateway cannot use the store meanwhile. KILLS sets the number of kills.
func TestKilledGatewayLosesNoDeadLetter(t *testing.T) {
	const total = 6_000
	dir := t.TempDir()
	config, position, folder := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "position"), filepath.Join(dir, "letters")
	writeFile(t, config, fmt.Sprintf(`
http: {listen: ":${PORT}"}
dead_letters: {path: %q}
sources:
  made: {type: generate, rate: 0, count: %d, position: %q}
sinks:
  out: {type: file, path: %q}
routes:
  all: {from: [made], when: nothing.there > 1, to: [out]}
`, folder, total, position, filepath.Join(dir, "out.jsonl")))
	kills := times("KILLS", 2)
	for n := range kills {
		p := startBinary(t, nil, "-c", config)
		p.awaitReady()
		for acked(t, position) < (n+1)*total/(kills+2) { // until a part is acked
			time.Sleep(time.Millisecond)
		}
		time.Sleep(rand.N(5 * time.Millisecond)) // anywhere within a write
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.exit(testenv.Wait)
	}
	last := startBinary(t, nil, "-c", config)
	last.awaitReady()
	testenv.Eventually(t, 2*testenv.Wait, fmt.Sprintf("%d acked", total), func() bool { return acked(t, position) >= total }, func() string { return fmt.Sprint(acked(t, position)) })
	second := startBinary(t, nil, "-c", config)
	if code := second.exit(testenv.Wait); code != 1 || !strings.Contains(second.stderr.String(), "another process has locked the folder") {
		t.Errorf("a second gateway with the same store: exit status %d", code)
	}
	last.awaitMetric("gateway_conserved 1")
	last.cmd.Process.Signal(syscall.SIGTERM)
	if code := last.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	store := letters.New(letters.Options{Path: folder, MaxBytes: 1 << 30}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := store.Open(); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	seen, held := make([]bool, total), 0
	for q := (letters.Query{Limit: letters.MaxLimit, Budget: testenv.Wait}); ; {
		page, err := store.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Letters {
			var n int
			if _, err := fmt.Sscanf(string(l.Data), `{"number":%d}`, &n); err != nil || l.Place != "route all" {
				t.Fatalf("letter %+v: %v", l, err)
			}
			seen[n] = true
			held++
		}
		if q.Before = page.Next; page.Next == 0 {
			break
		}
	}
	for n := range total {
		if !seen[n] {
			t.Fatalf("event %d is lost", n)
		}
	}
	t.Logf("%d kills: %d events, %d stored twice", kills, total, held-total)
}
