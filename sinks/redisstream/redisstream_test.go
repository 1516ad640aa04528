package redisstream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestConformance(t *testing.T) {
	client := testenv.RedisClient(t)
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: Type(),
		Reachable: func(o any) {
			o.(*Options).URL, o.(*Options).Stream = options.NewURL(testenv.Redis(t).URL()), expr.MustTemplate("s")
		},
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Stream = options.NewURL("redis://u:p@127.0.0.1:1"), expr.MustTemplate("s")
		},
		Receive: func(t testing.TB, _ plugin.Env) func() string {
			last := "0"
			if got, err := client.XRevRangeN(t.Context(), "s", "+", "-", 1).Result(); err == nil && len(got) > 0 {
				last = got[0].ID // what other rules have written
			}
			return func() string {
				got, err := client.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"s", last}, Count: 1, Block: testenv.Wait}).Result()
				if err != nil {
					t.Fatal(err)
				}
				last = got[0].Messages[0].ID
				return got[0].Messages[0].Values["data"].(string)
			}
		},
	})
}

func newSink(t *testing.T, url, stream string, maxlen int) *sink {
	s, err := build(Options{URL: options.NewURL(url), Stream: expr.MustTemplate(stream), Maxlen: maxlen}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(*sink).client.Close() })
	return s.(*sink)
}

func numbered(from, n int) (events []*event.Event) {
	for i := range n {
		events = append(events, &event.Event{ID: fmt.Sprint("id", from+i), Data: fmt.Append(nil, from+i)})
	}
	return events
}

// entries returns what is in a stream, as "field=value field=value" of each.
func entries(t *testing.T, client redis.UniversalClient, stream string, fields ...string) (out []string) {
	t.Helper()
	all, err := client.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		text := ""
		for _, f := range fields {
			if v, ok := m.Values[f]; ok {
				text += fmt.Sprintf("%s=%v ", f, v)
			}
		}
		out = append(out, strings.TrimSpace(text))
	}
	return out
}

func TestEntries(t *testing.T) {
	s := newSink(t, testenv.Redis(t).URL(), "table.{{ event.key }}", 0)
	if err := s.Write(t.Context(), []*event.Event{
		{ID: "1", Key: "a", Data: []byte(`{"x":1}`), Attrs: []event.Attr{{Name: "operation", Value: "INSERT"}}},
		{Data: []byte("no stream")},
		{Key: "b", Data: []byte("\x00\xff")},
		{Key: "a", Data: nil},
	}); err != nil {
		t.Fatal(err)
	}
	client := testenv.RedisClient(t)
	for stream, want := range map[string]string{
		"table.a": "[data={\"x\":1} id=1 key=a attr.operation=INSERT data= key=a]", "table.b": "[data=\x00\xff key=b]", "table.": "[data=no stream]",
	} {
		if got := fmt.Sprint(entries(t, client, stream, "data", "id", "key", "attr.operation")); got != want {
			t.Errorf("%s: %q", stream, got)
		}
	}
	err := newSink(t, testenv.Redis(t).URL(), "{{ event.key }}", 0).Write(t.Context(), []*event.Event{{}, {Key: "c"}})
	if each, _ := plugin.Outcomes(err, 2); !plugin.IsPermanent(each[0]) || each[1] != nil {
		t.Errorf("an empty name: %v", err)
	}
}

// TestRefusedConnectionIsNoSuccess proves that a refused connection is an error, though go-redis
// leaves the commands of the pipeline without one.
func TestRefusedConnectionIsNoSuccess(t *testing.T) {
	url := strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://nobody:pw@", 1)
	if err := newSink(t, url, "s", 0).Write(t.Context(), numbered(0, 3)); !plugin.IsUnavailable(err) || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("error %v", err)
	}
}

// TestKeyOfAnotherType proves that a key which is no stream is the event's failure where streams
// depend on the event, and else the sink's.
func TestKeyOfAnotherType(t *testing.T) {
	if err := testenv.RedisClient(t).LPush(t.Context(), "wrong.x", "x").Err(); err != nil { // whatever was there
		t.Fatal(err)
	}
	for stream, unavailable := range map[string]bool{"wrong.x": true, "wrong.{{ event.key }}": false} {
		if err := newSink(t, testenv.Redis(t).URL(), stream, 0).Write(t.Context(), []*event.Event{{Key: "x"}}); err == nil || plugin.IsUnavailable(err) != unavailable {
			t.Errorf("%s: %v", stream, err)
		}
	}
}

// TestFormerLeaderIsRefused proves that events of a former leader are refused for good.
func TestFormerLeaderIsRefused(t *testing.T) {
	url := testenv.Redis(t).URL()
	old, next := newSink(t, url, "fenced", 0), newSink(t, url, "fenced", 0)
	write := func(s *sink, data string, term int64) error {
		return s.Write(t.Context(), []*event.Event{{Data: []byte(data), Fence: &event.Fence{Leader: "x", Term: term}}})
	}
	for i, err := range []error{write(old, "1", 1700000000000001), write(next, "2", 1700000000000002)} {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	err := write(old, "3", 1700000000000001)
	if each, _ := plugin.Outcomes(err, 1); !plugin.IsPermanent(each[0]) || !strings.Contains(err.Error(), "term 1700000000000002") {
		t.Errorf("the former leader: %v", err)
	}
	if err := next.Write(t.Context(), []*event.Event{{Data: []byte("4")}}); err != nil {
		t.Errorf("without a leader: %v", err)
	}
	if got := fmt.Sprint(entries(t, testenv.RedisClient(t), "fenced", "data")); got != "[data=1 data=2 data=4]" {
		t.Errorf("entries: %s", got)
	}
}

// TestNothingOvertakesAFailedEvent proves that no later event of its stream is appended, in a batch of
// two terms, and that other streams are not affected.
func TestNothingOvertakesAFailedEvent(t *testing.T) {
	client := testenv.RedisClient(t)
	if err := client.LPush(t.Context(), "over.a", "x").Err(); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, testenv.Redis(t).URL(), "over.{{ event.key }}", 0)
	one, two := &event.Fence{Leader: "y", Term: 1}, &event.Fence{Leader: "y", Term: 2}
	batch := []*event.Event{{Key: "a", Fence: one}, {Key: "b", Fence: one}, {Key: "a", Fence: two}, {Key: "b", Fence: two}}
	err := s.Write(t.Context(), batch)
	if each, _ := plugin.Outcomes(err, len(batch)); each[0] == nil || each[1] != nil || plugin.IsPermanent(each[0]) || each[2] == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("error %v", err)
	}
	if err := client.Del(t.Context(), "over.a").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), []*event.Event{batch[0], batch[2]}); err != nil {
		t.Error(err)
	}
	if a, b := len(entries(t, client, "over.a")), len(entries(t, client, "over.b")); a != 2 || b != 2 {
		t.Errorf("%d and %d entries", a, b)
	}
}

func TestMaxlen(t *testing.T) {
	s := newSink(t, testenv.Redis(t).URL(), "short", 100)
	for i := range 10 {
		if err := s.Write(t.Context(), numbered(1000*i, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	got := entries(t, testenv.RedisClient(t), "short", "data")
	if n := len(got); n < 100 || n > 1300 || got[n-1] != "data=9999" {
		t.Errorf("%d entries, the last is %s", n, got[n-1])
	}
}

// TestServerWithoutTheScript proves that the script is loaded again after a restart of the server.
func TestServerWithoutTheScript(t *testing.T) {
	s, client := newSink(t, testenv.Redis(t).URL(), "script.{{ event.key }}", 0), testenv.RedisClient(t)
	for i := range 3 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), []*event.Event{{Key: "a"}, {Key: "b"}, {Key: "a"}}); err != nil {
			t.Fatal(err)
		}
		if a, b := len(entries(t, client, "script.a")), len(entries(t, client, "script.b")); a != 2*i+2 || b != i+1 {
			t.Errorf("%d and %d entries", a, b)
		}
	}
}

func TestProbe(t *testing.T) {
	client := testenv.RedisClient(t)
	if err := client.LPush(t.Context(), "list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	texts := ""
	for _, f := range newSink(t, testenv.Redis(t).URL(), "list", 0).Probe(t.Context()) {
		texts += fmt.Sprintln(f.Level, f.Text)
	}
	for _, want := range []string{"ok connected to", "ok the user default may XADD list", "WRONG the key list is a list", "warning the server keeps no append-only file"} {
		if !strings.Contains(texts, want) {
			t.Errorf("%q is missing in\n%s", want, texts)
		}
	}
}
