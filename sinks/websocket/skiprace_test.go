package websocket

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
)

// TestSkipWhileTheTopicGrows: each message that a slow reader skips while its topic gets more is counted, or conflated. So the client
// has the latest message of each key.
func TestSkipWhileTheTopicGrows(t *testing.T) {
	o := *Type().Defaults().(*Options)
	h := newHub(o, newMetrics(), time.Now, func(f func(context.Context)) { go f(context.Background()) })
	h.clients, h.log = func() []*client { return nil }, quietLog()
	top, at, err := h.join(t.Context(), "a", subscription{filter: filterFrom(t, "n >= 0")}, resumePoint{})
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{opts: o, hub: h}
	c := &client{sink: s, wakeup: make(chan struct{}, 1)}
	r := &reader{client: c, id: "", topic: top}
	r.moveTo(at.position)
	c.readers = []*reader{r}
	const events = 50_000
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := range events {
			h.write([]*event.Event{{Key: fmt.Sprint(n % 7), Data: fmt.Appendf(nil, `{"n":%d}`, n)}})
		}
		h.drainFeeders(t.Context())
	})
	written := make(chan struct{})
	go func() { writing.Wait(); close(written) }()
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		h.skipToEnd(r, true)
		if k := r.skip; k != nil {
			if got := uint64(k.messages + len(k.conflated.byKey)); got != r.position.messages-at.position.messages {
				t.Errorf("%d messages are skipped, and %d counted", r.position.messages-at.position.messages, got)
				break
			}
		}
	}
	<-written
	h.releaseTopic(top, "a")
	h.feeding.Wait()
}
