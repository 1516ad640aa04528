package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// fencing is a sink that refuses earlier terms than the highest that it has seen.
type fencing struct {
	keeps
	mu      sync.Mutex
	highest int64
}

func (f *fencing) Write(ctx context.Context, events []*event.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if e.Fence.Term < f.highest {
			return plugin.Fenced(fmt.Errorf("a leader of term %d has written", f.highest), f.highest)
		}
		f.highest = e.Fence.Term
	}
	return f.keeps.Write(ctx, events)
}

// TestTermsThatGoBack: a database whose counter of terms was lost gives a lower one than a
// sink has seen. The first events are parked, which is reported as a gap; then the leader has a
// higher term, and events are delivered again.
func TestTermsThatGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &fencing{highest: 100}
		c := &candidate{part: part{j: &journal{}, name: "a", from: ticks("a")}, server: &lockServer{changed: make(chan struct{})}}
		r := start(t, candidateGraph(c, out))
		time.Sleep(10 * time.Second)
		st := r.Status().Sources[0]
		if st.Leader.Term != 101 || st.Gaps == 0 || !strings.Contains(st.LastError, "a sink has refused term 1, because a leader of term 100 has written") {
			t.Errorf("%+v, %+v", st, st.Leader)
		}
		if _, n := latestLetters(r.Router); n == 0 || n > 2 {
			t.Errorf("%d dead letters", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if n := len(out.got); n < 7 || out.got[0].Fence.Term != 101 {
			t.Errorf("%d events were delivered", n)
		}
	})
}

// TestForeignHolderIsNamed in the status, while it holds the lock.
func TestForeignHolderIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &foreignCandidate{part: part{j: &journal{}, name: "a", from: ticks("a")}}
		spec := sourceSpec("in", c)
		spec.Capture.Leader = "orders"
		r := start(t, Graph{Sources: []SourceSpec{spec}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")})
		synctest.Wait()
		if l := r.Status().Sources[0].Leader; l.State != stats.StandingBy || l.Holder != `the role "mallory", pid 7` {
			t.Errorf("%+v", l)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

type foreignCandidate struct{ part }

func (c *foreignCandidate) Campaign(ctx context.Context, _ string, _ int64, standby func(string)) (plugin.Leadership, error) {
	standby(`the role "mallory", pid 7`)
	<-ctx.Done()
	return nil, errors.New("the campaign has ended")
}
