package websocket

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/testenv"
)

// filterHub returns a hub whose topics hold as few messages as possible, and the subscription of a filter.
func filterHub(t *testing.T, filter string) (*hub, *feeder, subscription) {
	o := *Type().Defaults().(*Options)
	o.Limits.FilterTime, o.Limits.FilterMemory = 0, 1
	h := newHub(o, newMetrics(), time.Now, func(f func(context.Context)) { go f(t.Context()) })
	h.clients, h.log = func() []*client { return nil }, quietLog()
	c, err := expr.CompileFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	return h, h.feeders[filterFeeder], subscription{filter: c, protocol: true}
}

// messages returns the messages of the topic behind a position.
func (p position) texts() (all []string) {
	for {
		frames, next := p.unread()
		if frames == nil {
			return all
		}
		for ; len(frames) > 0; p.chunkIndex++ {
			_, payload, size := frameAt(frames)
			if !p.chunk.isPosition {
				all = append(all, string(payload))
			}
			frames = frames[size:]
		}
		p = next
	}
}

// TestResumeWhileTopicIsTrimmed: a client that resumes gets every message, once, also if its topic gets and removes
// messages between the request and the answer.
func TestResumeWhileTopicIsTrimmed(t *testing.T) {
	for _, history := range []int{0, 1000} { // events before the topic, which are evaluated for the client
		t.Run(fmt.Sprint(history), func(t *testing.T) {
			h, f, s := filterHub(t, `status == "new"`)
			written := 0
			write := func(n int) {
				var batch []*event.Event
				for range n {
					batch = append(batch, order(written, []string{"new", "old"}[written%2]))
					written++
				}
				h.write(batch)
			}
			write(history)
			other, _, err := h.join(t.Context(), "a", s, resumePoint{})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			j := &joining{subscription: s, address: "a", done: make(chan struct{}), from: resumePoint{given: true, epoch: h.epoch}}
			f.ask(func() {
				write(100)
				f.readEvents() // the topic takes its turn before the client
				f.join(j)
				write(1000) // the client waits for those that are not read yet
				j.until = h.main.log.messages.Load()
			})
			<-j.done
			h.drainFeeders(t.Context())
			for n := range written {
				if n%2 == 0 {
					want = append(want, string(order(n, "new").Data))
				}
			}
			if j.err != nil || !j.at.recovered {
				t.Fatal(j.at, j.err)
			}
			if got := j.at.position.texts(); !slices.Equal(got, want) {
				t.Errorf("got %d messages, want %d", len(got), len(want))
			}
			if lag := other.log.messages.Load() - j.at.position.messages; lag != uint64(len(want)) {
				t.Errorf("a lag of %d messages, want %d", int64(lag), len(want))
			}
			h.releaseTopic(other, "a")
			h.releaseTopic(j.topic, "a")
			h.feeding.Wait()
		})
	}
}

// TestJoinOfEndedTopic: a client whose topic ends while it joins counts no longer.
func TestJoinOfEndedTopic(t *testing.T) {
	h, f, s := filterHub(t, "n > 5")
	h.write(orders(0, 10))
	topic, _, err := h.join(t.Context(), "a", s, resumePoint{})
	if err != nil {
		t.Fatal(err)
	}
	j := &joining{subscription: s, address: "b", done: make(chan struct{}), from: resumePoint{given: true, epoch: h.epoch}}
	f.ask(func() {
		f.join(j)
		f.endTopic(topic, &endReason{closePolicy, "time", "too slow"})
	})
	<-j.done
	if j.err == nil || j.err.Error() != "too slow" {
		t.Errorf("the client gets %v", j.err)
	}
	h.releaseTopic(topic, "a")
	f.ask(func() {
		if n := len(f.budgets.byAddress); n > 0 {
			t.Errorf("%d addresses still count: %v", n, f.budgets.byAddress)
		}
	})
	h.feeding.Wait()
}

// TestEndedTopicIsDrained: a stop does not wait for a topic that has ended when it had all events.
func TestEndedTopicIsDrained(t *testing.T) {
	h, f, s := filterHub(t, "n > 5")
	h.opts.Limits.FilterTime, f.budgets.opts.Limits.FilterTime = 1, 1
	topic, _, err := h.join(t.Context(), "a", s, resumePoint{})
	if err != nil {
		t.Fatal(err)
	}
	h.write(orders(0, 10))
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Wait)
	defer cancel()
	if h.drainFeeders(ctx); ctx.Err() != nil {
		t.Error("the feeder waits for the topic")
	}
	f.ask(func() {
		if !topic.removed || f.ready != 0 {
			t.Errorf("removed %v, %d topics are ready", topic.removed, f.ready)
		}
	})
	h.releaseTopic(topic, "a")
	h.feeding.Wait()
}

// TestClosedClientSubscribes: a subscribe message of a client that is being closed is ignored.
func TestClosedClientSubscribes(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {"n > 5"}})
	c := s.listClients()[0]
	c.close(closeFrame(closeSlow, "too slow"), "slow", false)
	if err := f.conn.WriteJSON(map[string]string{"type": "subscribe", "epoch": f.epoch, "filter": "n > 6"}); err != nil {
		t.Fatal(err)
	}
	if err := f.read(); !websocket.IsCloseError(err, closeSlow) { // the client answers the close frame, behind its message
		t.Errorf("got %v", err)
	}
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
}

// TestTopicsEndTogether: the clients are listed once for all topics that end in one turn: their number times that of
// the topics would be too many.
func TestTopicsEndTogether(t *testing.T) {
	h, f, s := filterHub(t, "n > 5")
	lists := 0
	h.clients = func() []*client { lists++; return nil }
	for _, text := range []string{"n > 5", "n > 6", "n > 7"} {
		s.channels = []string{text}
		if _, _, err := h.join(t.Context(), "a", s, resumePoint{}); err != nil {
			t.Fatal(err)
		}
	}
	f.ask(func() {
		for len(f.list) > 0 {
			f.endTopic(f.list[0], &endReason{closeSlow, "behind", "too slow"})
		}
	})
	h.feeding.Wait()
	if lists != 1 {
		t.Errorf("the clients were listed %d times", lists)
	}
}
