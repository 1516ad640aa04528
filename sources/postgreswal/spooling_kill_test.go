package postgreswal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestKilledSpoolLosesNothing kills the process of a source (SIGKILL) at random moments, while it spools, reads the spool, and receives
// directly again. It proves that each item arrives, in the order of commits within each process, and that no process skips an item.
func TestKilledSpoolLosesNothing(t *testing.T) {
	kills := sourcetest.EnvInt(t, "KILLS", 8)
	l := newLagging(t, spooled(t))
	var o Options
	l.set(&o)
	random := rand.New(rand.NewPCG(uint64(sourcetest.EnvInt(t, "SEED", 1)), 3))
	seen := map[string]bool{}
	collect := func(line string) bool {
		text, ok := strings.CutPrefix(line, "event ")
		if !ok {
			if strings.HasPrefix(line, "gap") {
				t.Errorf("a gap: %s", line)
			}
			return false
		}
		seen[text] = true
		return true
	}
	run := func(until func(n int) bool) {
		child := exec.Command(os.Args[0], "-test.run=^TestChildSpoolsUntilKilled$")
		child.Env = append(os.Environ(), "SPOOLED_URL="+l.server.URL(), "SPOOLED_PATH="+o.Spool.Path)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		before := position{}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			if !collect(lines.Text()) {
				continue
			}
			at, _ := positionOf(&event.Event{ID: strings.TrimPrefix(lines.Text(), "event ")})
			if before != (position{}) && at.compare(before) <= 0 {
				t.Errorf("%v after %v", at, before)
			}
			before = at
			if n++; until(n) {
				must(t, child.Process.Kill())
				until = func(int) bool { return false }
			}
		}
		_ = child.Wait() // killed
	}
	spooled := 0
	for range kills {
		l.write(300, random.IntN(4))
		at := 1 + random.IntN(400)
		run(func(n int) bool { return n == at || len(seen) == l.next-1 })
		if folderSize(o.Spool.Path) > 10_000 {
			spooled++
		}
	}
	run(func(int) bool { return len(seen) == l.next-1 })
	if t.Logf("%d items, %d kills with a spool", len(seen), spooled); spooled == 0 {
		t.Error("nothing was spooled")
	}
}

// TestChildSpoolsUntilKilled is the process that the test above kills. Its sink is slow, and prints what it has before it acks.
func TestChildSpoolsUntilKilled(t *testing.T) {
	url := os.Getenv("SPOOLED_URL")
	if url == "" {
		t.Skip("it runs as a child process")
	}
	s := newSource(t, func(o *Options) {
		o.URL, o.Output, o.Tables = options.NewURL(url), "change", []string{"items"}
		o.MaxLag, o.Spool.Path = MaxLag{Bytes: 100_000, Then: "spool"}, os.Getenv("SPOOLED_PATH")
	})
	s.monitorEvery, s.measureEvery = 10*time.Millisecond, 20*time.Millisecond
	for {
		fmt.Println("ended", s.Run(context.Background(), &printingOutput{}))
		time.Sleep(10 * time.Millisecond) // as the router's backoff
	}
}

// printingOutput prints events.
type printingOutput struct{ plugintest.Output }

func (printingOutput) Emit(_ context.Context, b event.Batch) error {
	for _, e := range b.Events {
		time.Sleep(time.Millisecond) // how slow the sink is
		fmt.Println("event", e.ID)
	}
	b.Ack.Settle(nil)
	return nil
}

func (printingOutput) Gap(reason string) { fmt.Println("gap", reason) }
