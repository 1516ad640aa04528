package websocket

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// stormRule is the rule of the storm. Each client has a tenant, and shares teams with others.
const stormRule = "new.tenant == claims.sub || new.team in claims.teams"

// stormTenant is a client of the storm, over a WebSocket or server-sent events.
type stormTenant struct {
	*protocolClient
	stream bool   // server-sent events
	last   string // id of the last of these
	sub    subscription
	begin  uint64 // offset at which it has joined
	joins  int
}

// follow reads until the client has a message that begins with last. It connects again whenever it is cut.
func (c *stormTenant) follow(last string) error {
	for failed := 0; ; failed++ {
		attempt, joins := c.followSocket, c.joins
		if c.stream {
			attempt = c.followStream
		}
		err := attempt(last)
		if c.isLast(last) {
			return nil
		}
		if err != nil {
			return err
		}
		if c.joins > joins {
			failed = 0
		} else if failed > 10_000 {
			return errors.New("the gateway refuses the client")
		}
		time.Sleep(time.Millisecond)
	}
}

// joined checks the point at which the client begins.
func (c *stormTenant) joined(recovered *bool) error {
	if c.joins++; c.joins == 1 {
		c.begin = c.offset.number()
	} else if recovered == nil || !*recovered {
		return errors.New("a gap")
	}
	return nil
}

func (c *stormTenant) isLast(last string) bool {
	return len(c.got) > 0 && strings.HasPrefix(c.got[len(c.got)-1], last)
}

func (c *stormTenant) request() url.Values {
	q := url.Values{}
	for name, values := range c.query {
		q[name] = values
	}
	if c.epoch != "" {
		q.Set("epoch", c.epoch)
		q.Set("offset", fmt.Sprint(c.offset))
		q.Set("seen", fmt.Sprint(c.seen))
	}
	return q
}

func (c *stormTenant) followSocket(last string) error {
	dialer := websocket.Dialer{Subprotocols: []string{Protocol}, EnableCompression: true}
	conn, _, err := dialer.Dial(strings.Replace(c.server.URL, "http", "ws", 1)+"/?"+c.request().Encode(), nil)
	if err != nil {
		return nil // cut
	}
	defer conn.Close()
	c.conn, c.recovered = conn, nil
	for first := true; ; first = false {
		if c.read() != nil {
			return nil
		}
		if first { // subscribed
			if err := c.joined(c.recovered); err != nil {
				return err
			}
		}
		if c.isLast(last) {
			return nil
		}
	}
}

func (c *stormTenant) followStream(last string) error {
	req, err := http.NewRequestWithContext(testenv.Context(c.t), "GET", c.server.URL+"/?"+c.query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if c.last != "" {
		req.Header.Set("Last-Event-ID", c.last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil // cut
	}
	defer resp.Body.Close()
	kind, data, id := "", "", c.last
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		name, value, _ := strings.Cut(in.Text(), ": ")
		switch {
		case name == "id":
			id = value
		case name == "event":
			kind = value
		case name == "data":
			data = value
		case in.Text() == "" && data+id != "":
			c.last = id
			if err := c.message(kind, data); err != nil || c.isLast(last) {
				return err
			}
			kind, data = "", ""
		}
	}
	return nil
}

// message handles a server-sent event.
func (c *stormTenant) message(kind, data string) error {
	var m struct {
		Type      string
		Offset    clientOffset
		Recovered *bool
	}
	if kind == "control" {
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return err
		}
	}
	switch {
	case m.Type == "subscribed":
		c.offset = m.Offset
		return c.joined(m.Recovered)
	case data != "" && (kind == "" || m.Type == "leave"):
		c.got = append(c.got, data)
	case m.Type != "" && m.Type != "position":
		return errors.New(data)
	}
	return nil
}

// stormEvent returns a change of a row between tenants and teams.
func stormEvent(rnd *rand.Rand, n, tenants int) *event.Event {
	row := func() string {
		return fmt.Sprintf(`{"tenant":"t%d","team":"g%d","kind":"k%d","amount":%d}`, rnd.IntN(tenants), rnd.IntN(tenants), rnd.IntN(50), rnd.IntN(1000))
	}
	return &event.Event{Data: fmt.Appendf(nil, `{"operation":"UPDATE","table":"t","n":%d,"old":%s,"new":%s}`, n, row(), row())}
}

// TestTenantReconnectStorm: many tenants with rights of their own, and filters of their own, are all cut again and again
// under load. Each gets exactly what a plain evaluation of its subscription gives for every event: no gap, no duplicate, no
// row of another tenant; live and from the history; over WebSockets and server-sent events.
func TestTenantReconnectStorm(t *testing.T) {
	t.Run("plain", func(t *testing.T) { tenantReconnectStorm(t, func(*Options) {}) })
	t.Run("compressed", func(t *testing.T) {
		tenantReconnectStorm(t, func(o *Options) { compressed(o); o.Compression.MinBytes = 64 })
	})
}

// tenantReconnectStorm is the storm with options.
func tenantReconnectStorm(t *testing.T, set func(*Options)) {
	clients, drops, batchSize := countFromEnv("STORM_CLIENTS", 30), countFromEnv("STORM_DROPS", 10), countFromEnv("STORM_BATCH", 4)
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) {
		o.History = History{Events: 1 << 20, Bytes: 1 << 30, Age: options.Duration(time.Hour)}
		o.Auth.JWT, o.Auth.Query = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, "token"
		o.Limits.FilterTime, o.MaxLag.Events, o.MaxLag.Bytes = 0, 1<<20, 1<<30
		if err := o.Authorize.UnmarshalText([]byte(stormRule)); err != nil {
			t.Fatal(err)
		}
		set(o)
	}, httptest.NewServer)
	var events []*event.Event
	stop, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		rnd, pace := rand.New(rand.NewPCG(1, 2)), time.NewTicker(5*time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
				var batch []*event.Event
				for range batchSize { // by default, 800 a second
					batch = append(batch, stormEvent(rnd, len(events)+len(batch), clients))
				}
				s.send(t, batch...)
				events = append(events, batch...)
			}
		}
	}()
	const last = `{"last":true`
	tenants, errs := make([]*stormTenant, clients), make([]error, clients)
	var following sync.WaitGroup
	for i := range tenants {
		claims := map[string]any{"sub": fmt.Sprint("t", i), "teams": []any{fmt.Sprint("g", i%20), "all"}}
		query := url.Values{"token": {signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": claims["sub"], "teams": claims["teams"], "exp": inOneHour()}, "")}}
		c := &stormTenant{protocolClient: &protocolClient{t: t, server: server, query: query}, stream: i%3 == 2, sub: subscription{protocol: true, rights: rightsFrom(t, stormRule, claims)}}
		if i%4 != 0 {
			filter := fmt.Sprintf(`new.team == "all" || new.kind == "k%d" || new.amount > %d`, i%50, i)
			query.Set("filter", filter)
			c.sub.filter = filterFrom(t, filter)
		}
		tenants[i] = c
		following.Go(func() { errs[i] = c.follow(last) })
	}
	awaitClients(t, s, clients)
	for i := range drops {
		if i%2 == 0 { // else some are cut while they join
			awaitClients(t, s, clients)
		}
		until := s.hub.main.log.messages.Load() + 200
		testenv.Eventually(t, testenv.Wait, "more events", func() bool { return s.hub.main.log.messages.Load() > until }, func() string { return "" })
		for _, c := range s.listClients() {
			_ = c.conn.Conn.Close()
		}
	}
	close(stop)
	<-written
	events = append(events, &event.Event{Data: []byte(last + `,"new":{"team":"all"}}`)})
	s.send(t, events[len(events)-1])
	following.Wait()
	messages, leaves, joins := 0, 0, 0
	for i, c := range tenants {
		want := s.hub.plainMessages(c.sub, events, c.begin)
		if errs[i] != nil {
			t.Errorf("client %d: %v", i, errs[i])
		}
		for n, msg := range want {
			if strings.HasPrefix(msg, `{"type":"leave"`) {
				leaves++
			}
			if n >= len(c.got) || c.got[n] != msg {
				t.Errorf("client %d: %d of %d messages are right; then %.200q", i, n, len(want), c.got[min(n, len(c.got)):min(n+1, len(c.got))])
				break
			}
		}
		if len(c.got) > len(want) {
			t.Errorf("client %d: %d messages, want %d", i, len(c.got), len(want))
		}
		messages, joins = messages+len(want), joins+c.joins
	}
	t.Logf("%d clients, %d joins, %d events, %d messages, %d of them leaves", clients, joins, len(events), messages, leaves)
	if out := testutil.ToFloat64(s.metrics.compressedOutput); (out > 0) != s.opts.Compression.Enabled {
		t.Errorf("%v compressed bytes", out)
	}
	if joins < clients*2 || leaves == 0 || messages < 2*clients {
		t.Error("the storm was none")
	}
}

// plainMessages returns what a plain evaluation of a subscription gives for the events behind an offset.
func (h *hub) plainMessages(sub subscription, events []*event.Event, offset uint64) (all []string) {
	x := evaluation{Evaluator: &h.eval}
	for _, e := range events[offset:] {
		p := (&channelNames{}).prepare(e)
		switch m := h.match(&x, &topic{subscription: sub}, &p); {
		case m.kind == matchEvent:
			all = append(all, string(e.Data))
		case m.kind == matchLeave && m.row == nil:
			all = append(all, string(leaveMessage(e.Data)))
		case m.kind == matchLeave:
			all = append(all, string(leaveMessage(m.row)))
		}
	}
	return all
}
