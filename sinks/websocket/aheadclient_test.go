package websocket

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// TestClientsThatNamePositionsAhead: a client may name a position, or a number of messages, that the gateway will never read.
// While it waits, it costs few joins, however many writes there are.
func TestClientsThatNamePositionsAhead(t *testing.T) {
	for name, position := range map[string]string{"offset": `"offset":"9%s","seen":0`, "seen": `"offset":"%s","seen":1000000`} {
		t.Run(name, func(t *testing.T) {
			s, server := fromStream(t, nil, entriesAt(1, 100)...)
			f := dialNamed(t, server, url.Values{"subscribe": {"none"}})
			f.subscribe("a", `,"filter":"n == -5"`)
			last := f.subs["a"].offset
			position = fmt.Sprintf(position, last)
			f.ask(`{"type":"subscribe","id":"b","filter":"n == -6","epoch":"%s",%s}`, s.hub.epoch+"."+topicHash(t, s, "n == -6"), position)
			stop := make(chan struct{})
			written := make(chan struct{})
			go func() {
				defer close(written)
				for n := 100; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(5 * time.Millisecond):
						s.send(t, entriesAt(n, n+1)...)
					}
				}
			}()
			f.await("subscribed")
			close(stop)
			<-written
			if r := f.subs["b"].recovered; r == nil || *r {
				t.Error("it is recovered")
			}
			var joins uint64
			s.hub.feeders[filterFeeder].ask(func() { joins = s.hub.feeders[filterFeeder].conjuncts.last - 1 })
			if joins > 12 {
				t.Errorf("%d joins", joins)
			}
			t.Log(joins, "joins")
		})
	}
}

// topicHash returns the hash of the topic of clients with a filter.
func topicHash(t *testing.T, s *sink, filter string) string {
	sub := subscription{filter: filterFrom(t, filter), protocol: true}
	return newHub(s.opts, s.metrics, time.Now, nil).feeders[filterFeeder].newTopic("", sub.id(), sub).hash
}
