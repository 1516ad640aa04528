package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestEndedTopicEndsOneSubscription: where the topic of a subscription with an id ends, the others go on. The client is closed
// where it is that of the query.
func TestEndedTopicEndsOneSubscription(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialNamed(t, server, url.Values{"filter": {"n > 0"}})
	f.subscribe("a", `,"filter":"n > 1"`)
	feeder := s.hub.feeders[filterFeeder]
	end := func(filter string) {
		feeder.ask(func() {
			for _, topic := range slices.Clone(feeder.list) {
				if topic.filter.String() == filter {
					feeder.endTopic(topic, &endReason{closePolicy, "time", "too slow"})
				}
			}
		})
	}
	end("n > 1")
	f.awaitAny("unsubscribed")
	if got := f.control[len(f.control)-1]; got != `{"type":"error","id":"a","reason":"too slow"}` || f.last != "a" {
		t.Error(got, f.last)
	}
	s.send(t, order(2, "new"))
	f.until("", textOf(2, "new"))
	f.subscribe("a", `,"filter":"n > 1"`) // resumes
	if got := f.until("a", textOf(2, "new")); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	end("n > 0")
	for {
		if _, err := f.read(); err != nil {
			if !websocket.IsCloseError(err, closePolicy) {
				t.Error(err)
			}
			break
		}
	}
	awaitTopics(t, s, 0)
}

// awaitAny reads up to the next control message of a type, also behind errors.
func (f *namedClient) awaitAny(want string) {
	f.t.Helper()
	for kind := ""; kind != want; {
		var err error
		if kind, err = f.read(); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestSlowReaderSkipsAlone: a subscription that is too slow skips messages with a gap of its own; the other one misses nothing.
func TestSlowReaderSkipsAlone(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.SlowClient = slowConflate }, httptest.NewServer)
	f := dialNamed(t, server, url.Values{"channel": {"orders"}})
	f.subscribe("a", "")
	c := s.listClients()[0]
	s.hub.mu.Lock()
	now := s.hub.now()
	for n := range 10 { // as hub.write, but without waking the clients
		s.hub.append(&storedEvent{Event: event.Event{Channel: "items", Key: fmt.Sprint(n % 3), Data: fmt.Appendf(nil, "%d", n)}}, now)
	}
	log := s.hub.main.log
	bytes, messages := log.tail.published()
	log.mu.Lock()
	log.end = position{chunk: log.tail, chunkOffset: bytes, chunkIndex: messages, messages: log.messages.Load(), bytes: log.bytes.Load()}
	log.mu.Unlock()
	s.hub.mu.Unlock()
	for range 2 { // the second finds nothing more to skip
		s.hub.skipToEnd(c.readers[1], true)
	}
	s.send(t, order(0, "new"))
	f.until("", textOf(0, "new"))
	if got := f.until("a", textOf(0, "new")); !slices.Equal(got, []string{"7", "8", "9", textOf(0, "new")}) {
		t.Errorf("got %q", got)
	}
	if got := f.control; len(got) != 1 || got[0] != `{"type":"gap","id":"a","reason":"too slow: 7 messages were skipped","conflated":true}` {
		t.Errorf("got %q", got)
	}
	if len(f.subs[""].got) != 1 {
		t.Errorf("got %q", f.subs[""].got)
	}
}

// TestCloseDrainsAllSubscriptions: at a stop the client gets the rest of each subscription before the close frame.
func TestCloseDrainsAllSubscriptions(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialNamed(t, server, nil)
	f.subscribe("a", `,"filter":"n >= 0"`)
	f.subscribe("b", `,"channels":["items"]`)
	for n := range 20 {
		s.send(t, orders(100*n, 100)...)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(testenv.Context(t)) }()
	for {
		if _, err := f.read(); err != nil {
			if !websocket.IsCloseError(err, closeRestart) {
				t.Error(err)
			}
			break
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if a, b, c := len(f.subs[""].got), len(f.subs["a"].got), len(f.subs["b"].got); a != 2000 || b != 2000 || c != 1000 {
		t.Error(a, b, c)
	}
}

// channelSink returns a sink whose tokens carry the channels that they open, and a function that signs such tokens.
func channelSink(t *testing.T, rule string) (*sink, *httptest.Server, func(channels ...string) string) {
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) {
		o.Channels = []expr.Template{expr.MustTemplate("customer:{{ new.customer }}"), expr.MustTemplate("status:{{ new.status }}")}
		o.Auth.JWT, o.Auth.Query = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, "token"
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	return s, server, func(channels ...string) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": "x", "channels": channels, "exp": inOneHour()}, "")
	}
}

func customerRow(n int, old, now string) *event.Event {
	row := func(customer string) string {
		if customer == "" {
			return "null"
		}
		return fmt.Sprintf(`{"n":%d,"customer":"%s","status":"open"}`, n, customer)
	}
	return &event.Event{Data: fmt.Appendf(nil, `{"operation":"UPDATE","old":%s,"new":%s}`, row(old), row(now))}
}

// TestTokenOpensChannels: a token may carry the channels that it opens. A subscription to another one is refused; without
// channels, or with a wildcard, the client gets the events of those. A row that leaves them is announced, without its new values.
func TestTokenOpensChannels(t *testing.T) {
	s, server, token := channelSink(t, "channel in claims.channels")
	query := url.Values{"token": {token("customer:ada", "customer:bob")}}
	for channel, want := range map[string]int{"customer:ada": 101, "customer:eve": 403, "status:open": 403, "customer:*": 101} {
		q := url.Values{"token": query["token"], "channel": {channel}}
		if _, status := connect(server, q.Encode(), http.Header{}); status != want {
			t.Errorf("%s is answered with %d", channel, status)
		}
	}
	f := dialNamed(t, server, query)
	f.subscribe("a", `,"channels":["customer:ada"]`)
	f.subscribe("all", `,"channels":["customer:*"]`)
	if got := f.fail(`{"type":"subscribe","id":"e","channels":["customer:ada","customer:eve"]}`); !strings.Contains(got, `"id":"e"`) || !strings.Contains(got, "does not allow channel") {
		t.Error(got)
	}
	s.send(t, customerRow(1, "", "ada"), customerRow(2, "", "eve"), customerRow(3, "", "bob"), customerRow(4, "ada", "eve"), customerRow(5, "eve", "eve"), customerRow(6, "ada", "bob"), customerRow(7, "", "ada"))
	leave := func(n int) string {
		row := fmt.Sprintf(`{"n":%d,"customer":"ada","status":"open"}`, n)
		return `{"type":"leave","message":{"operation":"UPDATE","old":` + row + `,"new":null}}`
	}
	text := func(e *event.Event) string { return string(e.Data) }
	one, three, six, seven := text(customerRow(1, "", "ada")), text(customerRow(3, "", "bob")), text(customerRow(6, "ada", "bob")), text(customerRow(7, "", "ada"))
	for id, want := range map[string][]string{"": {one, three, leave(4), six, seven}, "all": {one, three, leave(4), six, seven}, "a": {one, leave(4), leave(6), seven}} {
		if got := f.until(id, seven); !slices.Equal(got, want) {
			t.Errorf("%q got\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, msg := range f.subs["a"].got {
		if strings.Contains(msg, "eve") {
			t.Errorf("it shows %s", msg)
		}
	}
}

// TestRenewalMovesEachSubscription: a new token changes the rights of all subscriptions, or of none, and none has a gap.
func TestRenewalMovesEachSubscription(t *testing.T) {
	s, server, token := channelSink(t, "channel in claims.channels")
	f := dialNamed(t, server, url.Values{"token": {token("customer:ada", "customer:bob")}})
	f.subscribe("a", `,"channels":["customer:ada"]`)
	f.subscribe("b", `,"channels":["customer:bob"]`)
	n := 0
	send := func() {
		for range 50 {
			n++
			s.send(t, customerRow(n, "", "ada"), customerRow(n, "", "bob"), customerRow(n, "", "eve"))
		}
	}
	send()
	f.ask(`{"type":"auth","token":"%s"}`, token("customer:ada", "customer:eve")) // not bob
	f.awaitAny("auth")
	if got := f.control[len(f.control)-1]; !strings.Contains(got, "does not allow channel") {
		t.Error(got)
	}
	send()
	f.ask(`{"type":"auth","token":"%s"}`, token("customer:ada", "customer:bob", "customer:eve"))
	f.awaitAny("auth")
	if got := f.control[len(f.control)-1]; strings.Contains(got, "reason") {
		t.Error(got)
	}
	send()
	for id, customer := range map[string]string{"a": "ada", "b": "bob"} {
		got := f.until(id, string(customerRow(n, "", customer).Data))
		for i, msg := range got {
			if msg != string(customerRow(i+1, "", customer).Data) {
				t.Fatalf("%s: message %d is %s", id, i, msg)
			}
		}
	}
	own, seen := 0, map[string]bool{}
	for _, msg := range f.until("", string(customerRow(n, "", "eve").Data)) {
		if seen[msg] {
			t.Errorf("%s comes twice", msg)
		}
		if seen[msg] = true; !strings.Contains(msg, "eve") { // those of eve begin behind what was sent before the renewal
			own++
		}
	}
	if own != 300 {
		t.Errorf("got %d messages", own)
	}
}
