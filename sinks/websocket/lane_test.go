package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// withRule sets tokens, and a rule that is no equality.
func withRule(t *testing.T, rule string, names ...string) func(*Options) {
	return func(o *Options) {
		for _, name := range names {
			o.Auth.Tokens = append(o.Auth.Tokens, options.Map[options.Secret]{{Key: name, Value: options.NewSecret("token-of-" + name + "-0123456789")}}...)
		}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}
}

func tokenOf(name string) http.Header { return bearerHeader("token-of-" + name + "-0123456789") }

// TestRightsWaitForNoFilter: a client that asks for nothing gets its events while the filters of
// others are still made of the history.
func TestRightsWaitForNoFilter(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		withRule(t, `n >= 0 && claims.sub != ""`, "ada", "mallory")(o)
		o.Limits.FilterTime, o.Limits.FiltersPerAddress = 0, 100
	}, httptest.NewServer)
	const past, filters, live = 40, 6, 10
	for n := range past {
		s.send(t, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"customer_name":"%s"}}`, n, strings.Repeat("Ada ", 3000))})
	}
	conn := tryConnect(t, server, "", tokenOf("ada"))
	awaitClients(t, s, 1)
	asking, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	for i := range filters {
		r, err := http.NewRequestWithContext(asking, "GET", server.URL+"/?filter="+url.QueryEscape(costly(i)), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = tokenOf("mallory")
		r.Header.Set("Accept", "text/event-stream")
		go func() {
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
			}
		}()
	}
	awaitTopics(t, s, 1+filters)
	for n := range live {
		s.write(t, fmt.Sprintf(`{"n":%d}`, past+n))
		if got := read(t, conn); got != fmt.Sprintf(`{"n":%d}`, past+n) {
			t.Fatalf("got %.40s", got)
		}
	}
	waits := 0
	s.hub.mu.Lock()
	for _, o := range s.hub.topics {
		if o.asked() && o.behind(live/2) {
			waits++
		}
	}
	s.hub.mu.Unlock()
	if waits == 0 {
		t.Error("each live event has waited for a turn of every filter")
	}
}

// TestTurnsGoByAddress: an address with many filters gets as many turns as one with one.
func TestTurnsGoByAddress(t *testing.T) {
	h := newHub(*Type().Defaults().(*Options), newMetrics(), time.Now, plugintest.Env(t).Go)
	h.write([]*event.Event{{Data: []byte(`{"n":1}`)}})
	h.filters.running = true // the test feeds
	made := map[string][]*topic{}
	h.mu.Lock()
	for i, maker := range []string{"a", "b", "a", "a"} {
		filter, err := expr.CompileFilter(fmt.Sprintf("n == %d", i))
		if err != nil {
			t.Fatal(err)
		}
		one, err := h.topic(maker, subscription{filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		made[maker] = append(made[maker], one)
	}
	h.mu.Unlock()
	f := &feeder{hub: h, lane: h.filters}
	fed := func(maker string) (n int) {
		for _, one := range made[maker] {
			if !one.behind(1) {
				n++
			}
		}
		return n
	}
	for round := 1; round <= 3; round++ {
		if !f.round(h.filters.topics) || fed("a") != round || fed("b") != 1 {
			t.Errorf("after %d rounds %d topics of a and %d of b are fed", round, fed("a"), fed("b"))
		}
	}
	if f.round(h.filters.topics) {
		t.Error("there is still something to do")
	}
}

// TestViewsAreNoFilters: a client of rights only is told of no filter, whatever ends its topic.
func TestViewsAreNoFilters(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		withRule(t, `n >= 0 && claims.sub != ""`, "ada")(o)
		o.MaxLag.Events = 100
	}, httptest.NewServer)
	header := tokenOf("ada")
	header.Set("Sec-WebSocket-Protocol", Protocol)
	conn := tryConnect(t, server, "", header)
	read(t, conn)
	s.send(t, orders(0, 5000)...) // at once
	if got := read(t, conn); !strings.Contains(got, "the gateway is busy") || strings.Contains(got, "filter") {
		t.Errorf("it is told %s", got)
	}
}

// TestCloseWaitsForNoEvaluation: a stop ends in its time while a feeder evaluates, and while
// a client still waits for its topic.
func TestCloseWaitsForNoEvaluation(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	release := make(chan struct{})
	defer close(release)
	s.hub.mu.Lock()
	s.hub.filters.running = true // a feeder that is in an evaluation
	s.hub.feeders.Go(func() { <-release })
	s.hub.mu.Unlock()
	s.write(t, `{"n":1}`)
	answered := make(chan int, 1)
	go func() {
		_, status := connect(server, "filter=n%3D%3D1", nil)
		answered <- status
	}()
	awaitTopics(t, s, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(ctx) }()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(testenv.Wait):
		t.Fatal("it waits for the evaluation")
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the client that waits is answered with %d", status)
	}
}
