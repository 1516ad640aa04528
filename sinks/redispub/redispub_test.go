package redispub

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// subscribe returns a function that returns the next message on channels.
func subscribe(t testing.TB, channels ...string) func() string {
	sub := testenv.RedisClient(t).Subscribe(t.Context(), channels...)
	t.Cleanup(func() { sub.Close() })
	for range channels {
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return func() string {
		msg, err := sub.ReceiveMessage(testenv.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		return msg.Payload
	}
}

// clean removes what an earlier run of a test has left.
func clean(t *testing.T, keys ...string) {
	t.Helper()
	if err := testenv.RedisClient(t).Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: Type(),
		Reachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channel = options.NewURL(testenv.Redis(t).URL()), expr.MustTemplate("c")
		},
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channel = options.NewURL("redis://u:p@127.0.0.1:1"), expr.MustTemplate("c")
		},
		Receive: func(t testing.TB, _ plugin.Env) func() string { return subscribe(t, "c") },
	})
}

func newSink(t *testing.T, channel string, seq Sequence) *sink {
	s, err := build(Options{URL: options.NewURL(testenv.Redis(t).URL()), Channel: expr.MustTemplate(channel), Sequence: seq}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(*sink).client.Close() })
	return s.(*sink)
}

func events(payloads ...string) (out []*event.Event) {
	for _, p := range payloads {
		out = append(out, &event.Event{Key: "k", Data: []byte(p)})
	}
	return out
}

func TestSequence(t *testing.T) {
	c := testenv.RedisClient(t)
	const start = 9007199254740000 // close to 2^53, where Lua's numbers end
	if err := c.Set(t.Context(), "seq", start, 0).Err(); err != nil {
		t.Fatal(err)
	}
	next := subscribe(t, "numbered.k")
	s := newSink(t, "numbered.{{ event.key }}", Sequence{Key: "seq", Field: "_pub_id"})
	err := s.Write(t.Context(), events(`{"a":1}`, "no object", " { } ", `{"_pub_id":3}`, "[]"))
	if bad := failures(err, 5); len(bad) != 2 || !plugin.IsPermanent(bad[1]) || !plugin.IsPermanent(bad[4]) {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		`{"a":1,"_pub_id":9007199254740001}`, `{"_pub_id":9007199254740002}`, `{"_pub_id":3,"_pub_id":9007199254740003}`,
	} {
		if got := next(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestFormerLeaderIsRefused proves that a batch of a former leader is not published, and that other
// leaderships do not matter.
func TestFormerLeaderIsRefused(t *testing.T) {
	clean(t, "fenced:seq", "{fenced:seq}:term:x", "{fenced:seq}:term:y")
	next := subscribe(t, "fenced")
	s := newSink(t, "fenced", Sequence{Key: "fenced:seq", Field: "n"})
	write := func(payload, leader string, term int64) error {
		e := events(payload)
		if leader != "" {
			e[0].Fence = &event.Fence{Leader: leader, Term: term}
		}
		return s.Write(t.Context(), e)
	}
	for _, tc := range []struct {
		payload, leader string
		term            int64
		refused         bool
	}{
		{`{"a":1}`, "x", 1700000000000001, false},
		{`{"a":2}`, "x", 1700000000000002, false},
		{`{"a":3}`, "x", 1700000000000001, true},
		{`{"a":4}`, "y", 1, false},
		{`{"a":5}`, "", 0, false},
		{`{"a":6}`, "x", 1700000000000002, false},
	} {
		err := write(tc.payload, tc.leader, tc.term)
		if tc.refused && (!plugin.IsPermanent(failures(err, 1)[0]) || !strings.Contains(err.Error(), "term 1700000000000002")) || !tc.refused && err != nil {
			t.Errorf("%s of %s in term %d: %v", tc.payload, tc.leader, tc.term, err)
		}
	}
	for n, want := range []string{`{"a":1`, `{"a":2`, `{"a":4`, `{"a":5`, `{"a":6`} {
		if got := next(); got != fmt.Sprintf(`%s,"n":%d}`, want, n+1) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestChannelTemplate(t *testing.T) {
	next := subscribe(t, "orders.new", "orders.done")
	s := newSink(t, "orders.{{ status }}", Sequence{})
	if err := s.Write(t.Context(), events(`{"status":"new"}`, `{"status":"done"}`)); err != nil {
		t.Fatal(err)
	}
	if a, b := next(), next(); a != `{"status":"new"}` || b != `{"status":"done"}` {
		t.Errorf("got %s and %s", a, b)
	}
	if err := newSink(t, "{{ status }}", Sequence{}).Write(t.Context(), events(`{}`)); !plugin.IsPermanent(failures(err, 1)[0]) {
		t.Errorf("an empty channel name: %v", err)
	}
}

// TestServerErrorsAreRetried proves that errors of the server are retried, and that one of the
// counter is the sink's failure, not an event's.
func TestServerErrorsAreRetried(t *testing.T) {
	if err := testenv.RedisClient(t).LPush(t.Context(), "list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	err := newSink(t, "c", Sequence{Key: "list", Field: "n"}).Write(t.Context(), events(`{}`))
	each, single := plugin.Outcomes(err, 1)
	if err = each[0]; single || !plugin.IsUnavailable(err) || plugin.IsPermanent(err) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("error %v", err)
	}
}

// TestRefusedChannelFailsAlone proves that messages to other channels are published once where one
// channel of a batch is denied.
func TestRefusedChannelFailsAlone(t *testing.T) {
	c := testenv.RedisClient(t)
	if err := c.Do(t.Context(), "ACL", "SETUSER", "half", "on", ">pw", "+@all", "~*", "&half.good").Err(); err != nil {
		t.Fatal(err)
	}
	clean(t, "half:seq")
	next := subscribe(t, "half.good")
	u := strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://half:pw@", 1)
	impl, err := build(Options{URL: options.NewURL(u), Channel: expr.MustTemplate("half.{{ to }}"), Sequence: Sequence{Key: "half:seq", Field: "n"}}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	defer impl.(*sink).client.Close()
	err = impl.Write(t.Context(), events(`{"to":"good"}`, `{"to":"bad"}`, `{"to":"good"}`))
	if bad := failures(err, 3); len(bad) != 1 || bad[1] == nil {
		t.Errorf("error %v", err)
	}
	if a, b := next(), next(); a != `{"to":"good","n":1}` || b != `{"to":"good","n":3}` {
		t.Errorf("got %s and %s", a, b)
	}
}

// TestServerFailsWithinABatch proves that a failure of the server is no event's failure, that later
// events of the batch do not overtake, and that a payload which is no object is its event's failure.
func TestServerFailsWithinABatch(t *testing.T) {
	c := testenv.RedisClient(t)
	if err := c.Do(t.Context(), "ACL", "SETUSER", "mid", "on", ">pw", "+@all", "~*", "&*").Err(); err != nil {
		t.Fatal(err)
	}
	u := strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://mid:pw@", 1)
	impl, err := build(Options{URL: options.NewURL(u), Channel: expr.MustTemplate("mid"), Sequence: Sequence{Key: "mid:seq", Field: "n"}}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	defer impl.(*sink).client.Close()
	c.Del(t.Context(), "mid:seq")
	// The first term's part is published; the second's key is refused; the third's would not be.
	if err := c.Do(t.Context(), "ACL", "SETUSER", "mid", "resetkeys", "~mid:seq", "~{mid:seq}:term:a").Err(); err != nil {
		t.Fatal(err)
	}
	next := subscribe(t, "mid")
	batch := events(`{"a":1}`, `no object`, `{"a":2}`, `{"a":3}`, `{"a":4}`)
	a, b := &event.Fence{Leader: "a", Term: 1}, &event.Fence{Leader: "b", Term: 1}
	batch[0].Fence, batch[1].Fence, batch[2].Fence, batch[3].Fence = a, a, b, b
	err = impl.Write(t.Context(), batch)
	bad := failures(err, len(batch))
	if len(bad) != 4 || !plugin.IsPermanent(bad[1]) || plugin.IsUnavailable(bad[1]) {
		t.Fatalf("error %v", err)
	}
	for i := 2; i < 5; i++ {
		if why := bad[i]; !plugin.IsUnavailable(why) || !strings.Contains(why.Error(), "NOPERM") {
			t.Errorf("event %d: %v", i, why)
		}
	}
	if err := c.Do(t.Context(), "ACL", "SETUSER", "mid", "~*").Err(); err != nil {
		t.Fatal(err)
	}
	if err := impl.Write(t.Context(), batch[2:]); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`{"a":1`, `{"a":2`, `{"a":3`, `{"a":4`} {
		if got := next(); got != fmt.Sprintf(`%s,"n":%d}`, want, i+1) {
			t.Errorf("got %s", got)
		}
	}
}

// TestRefusedConnectionIsNoSuccess proves that a refused connection is an error, though go-redis
// leaves the commands of the pipeline without one.
func TestRefusedConnectionIsNoSuccess(t *testing.T) {
	u := options.NewURL(strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://nobody:pw@", 1))
	for _, seq := range []Sequence{{}, {Key: "seq", Field: "n"}} {
		impl, err := build(Options{URL: u, Channel: expr.MustTemplate("c"), Sequence: seq}, plugintest.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		defer impl.(*sink).client.Close()
		each, single := plugin.Outcomes(impl.Write(t.Context(), events(`{}`, `{}`)), 2)
		if single || !plugin.IsUnavailable(each[1]) || !strings.Contains(each[1].Error(), "WRONGPASS") {
			t.Errorf("%+v: %v", seq, each)
		}
	}
}

// failures returns the errors of the single events that have failed, by index.
func failures(err error, n int) map[int]error {
	failed := map[int]error{}
	if each, single := plugin.Outcomes(err, n); single {
		for i, why := range each {
			if why != nil {
				failed[i] = why
			}
		}
	}
	return failed
}
