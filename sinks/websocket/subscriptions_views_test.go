package websocket

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// subscriptionSpec is a subscription of the test, and which orders it selects.
type subscriptionSpec struct {
	members string
	selects func(n int, status string) bool
}

var subscriptionSpecs = []subscriptionSpec{
	{"", func(int, string) bool { return true }},
	{`,"channels":["orders"]`, func(n int, _ string) bool { return n%2 == 0 }},
	{`,"channels":["orders"],"filter":"status == \"old\""`, func(n int, status string) bool { return n%2 == 0 && status == "old" }},
	{`,"filter":"n % 3 == 0"`, func(n int, _ string) bool { return n%3 == 0 }},
	{`,"filter":"status in [\"old\", \"none\"]"`, func(_ int, status string) bool { return status == "old" }},
	{`,"channels":["o*","none*"],"filter":"n % 5 > 0"`, func(n int, _ string) bool { return n%2 == 0 && n%5 > 0 }},
}

// expectedSub is what a subscription must get.
type expectedSub struct {
	spec subscriptionSpec
	from int // number of the first event
}

// TestSubscriptionsEqualPlainEvaluation proves that each subscription gets exactly the messages of a plain evaluation, none lost
// and none twice. The client has rights by channel, and adds, replaces and ends subscriptions and reconnects at any time.
func TestSubscriptionsEqualPlainEvaluation(t *testing.T) {
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT, o.Auth.Query = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, "token"
		o.Limits.Messages, o.Limits.FilterTime = 0, 0
		o.History.Events, o.History.Bytes = 1_000_000, 1<<30
		if err := o.Authorize.UnmarshalText([]byte("channel in claims.channels")); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	var statuses []string // of all orders so far
	messages, resumed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		channels := rapid.SampledFrom([][]string{{"orders", "items"}, {"orders"}, {"orders", "none"}}).Draw(rt, "channels")
		query := url.Values{"subscribe": {"none"}, "token": {signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": "x", "channels": channels, "exp": inOneHour()}, "")}}
		f := dialNamed(t, server, query)
		expected := map[string]expectedSub{}
		subscribe := func(id string, spec subscriptionSpec) {
			f.subscribe(id, spec.members)
			f.subs[id].got = nil
			expected[id] = expectedSub{spec, int(f.subs[id].offset.number())}
		}
		plain := func(e expectedSub) (texts []string) {
			for n := e.from; n < len(statuses); n++ {
				if e.spec.selects(n, statuses[n]) && slices.Contains(channels, order(n, "").Channel) {
					texts = append(texts, textOf(n, statuses[n]))
				}
			}
			return texts
		}
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			id := rapid.SampledFrom([]string{"", "a", "b:1", "c-2"}).Draw(rt, "id")
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			default:
				var batch []*event.Event
				for range rapid.IntRange(1, 30).Draw(rt, "events") {
					status := rapid.SampledFrom([]string{"new", "old"}).Draw(rt, "status")
					batch = append(batch, order(len(statuses), status))
					statuses = append(statuses, status)
				}
				s.send(t, batch...)
			case 0, 1, 2:
				subscribe(id, rapid.SampledFrom(subscriptionSpecs).Draw(rt, "spec"))
			case 3:
				if sub := f.subs[id]; sub != nil {
					f.ask(`{"type":"unsubscribe","id":"%s"}`, id)
					f.await("unsubscribed")
					delete(f.subs, id)
					delete(expected, id)
				}
			case 4:
				f.conn.Close()
				f.conn, f.run = dialNamed(t, server, query).conn, ""
				for id, e := range expected {
					f.subs[id].active = false
					f.subscribe(id, e.spec.members)
					if resumed++; f.subs[id].recovered == nil || !*f.subs[id].recovered {
						rt.Fatalf("%q is not recovered", id)
					}
				}
			}
		}
		for id, e := range expected {
			want := plain(e)
			for len(f.subs[id].got) < len(want) {
				if _, err := f.read(); err != nil {
					rt.Fatalf("%q has %d of %d messages: %v", id, len(f.subs[id].got), len(want), err)
				}
			}
		}
		f.pong()
		for id, e := range expected {
			want := plain(e)
			messages += len(want)
			if got := f.subs[id].got; !slices.Equal(got, want) {
				rt.Fatalf("%q %s from %d got\n%q\nwant\n%q", id, e.spec.members, e.from, got, want)
			}
		}
		f.conn.Close()
	})
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
	t.Logf("%d messages, %d resumed", messages, resumed)
	if messages == 0 || resumed == 0 {
		t.Error("the generators no longer give all kinds")
	}
}
