package redisstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestConformance(t *testing.T) {
	for mode, set := range map[string]func(*Options){
		"fanout": func(*Options) {}, "kept": func(o *Options) { o.Name = "me" }, "group": func(o *Options) { o.Group = "g" },
	} {
		t.Run(mode, func(t *testing.T) {
			url, client := testenv.Redis(t).URL(), testenv.RedisClient(t)
			stream := ""
			plugintest.Source(t, plugintest.SourceHarness{
				Type: Type(),
				Reachable: func(o any) {
					stream = fmt.Sprint("conformance.", mode, client.Incr(t.Context(), "streams").Val()) // each rule has one of its own
					o.(*Options).URL, o.(*Options).Stream = options.NewURL(url), stream
					set(o.(*Options))
				},
				Unreachable: func(o any) {
					o.(*Options).URL, o.(*Options).Stream = options.NewURL("redis://u:p@127.0.0.1:1"), "s"
				},
				Send: func(t testing.TB, payloads ...string) { add(t, stream, payloads...) },
				TakeLock: func(t testing.TB) {
					if n, err := client.Del(t.Context(), `eventgateway:leader:{odd "name" {1}}`).Result(); err != nil || n != 1 {
						t.Fatal(n, err)
					}
				},
				Disconnect: func(t testing.TB) { // else go-redis sees by itself that a connection is gone, and nothing is lost
					testenv.Eventually(t, testenv.Wait, "it waits for news", func() bool { return strings.Contains(client.ClientList(t.Context()).Val(), "flags=b ") })
					if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
						t.Fatal(err)
					}
				},
			})
		})
	}
}

func TestEntriesBecomeEvents(t *testing.T) {
	flushRedis(t)
	r := start(t, func(o *Options) { o.Stream = "entries" }, nil)
	client := testenv.RedisClient(t)
	for _, values := range [][]string{
		{"eventgateway", "1", "data", "\x00\xff", "id", "7-x", "key", "orders:7", "attr.operation", "INSERT"},
		{"data", "", "strange", "field"},
		{"b", "1", "a", "é \"x\"\n"},
	} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "entries", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := r.next(), r.next(), r.next()
	if op, _ := a.Attr("operation"); string(a.Data) != "\x00\xff" || a.ID != "7-x" || a.Key != "orders:7" || op != "INSERT" || a.Channel != "entries" || a.Source != plugintest.Name {
		t.Errorf("%+v", a)
	}
	if string(b.Data) != `{"data":"","strange":"field"}` || !strings.HasPrefix(b.ID, "entries:1") || b.Key != "" {
		t.Errorf("%+v", b)
	}
	if string(c.Data) != `{"b":"1","a":"é \"x\"\n"}` || !strings.HasPrefix(c.ID, "entries:1") {
		t.Errorf("%+v with %s", c, c.Data)
	}
}

func TestFrom(t *testing.T) {
	flushRedis(t)
	second := add(t, "from", "1", "2")
	add(t, "from", "3")
	begin := func(from string) *running { return start(t, func(o *Options) { o.Stream, o.From = "from", from }, nil) }
	all, behind, flushRedis := begin("start"), begin(second), begin("new")
	all.want("1", "2", "3")
	behind.want("3")
	add(t, "from", "4")
	for _, r := range []*running{all, behind, flushRedis} {
		r.want("4")
	}
}

// TestResumeAtStoredPosition proves that the next gateway of a name resumes after what was acked,
// also where the first one got no entries.
func TestResumeAtStoredPosition(t *testing.T) {
	flushRedis(t)
	kept := func(settle func(event.Batch) func() error) *running {
		return start(t, func(o *Options) { o.Stream, o.Name = "kept", "me" }, settle)
	}
	add(t, "kept", "before")
	kept(nil).stop()
	add(t, "kept", numbers(0, 1200)...)
	r := kept(nil)
	r.want(numbers(0, 1200)...)
	r.stop()
	add(t, "kept", "x", "y")
	never := make(chan struct{})
	defer close(never)
	r = kept(func(event.Batch) func() error { return func() error { <-never; return errors.New("stopped") } })
	r.want("x", "y")
	r.stop()
	r = kept(nil)
	r.want("x", "y")
	add(t, "kept", "z")
	r.want("z")
}

// TestTakeoverOfAName proves that the earlier reader of a name ends with an error, and nothing is
// lost.
func TestTakeoverOfAName(t *testing.T) {
	flushRedis(t)
	set := func(o *Options) { o.Stream, o.Name = "taken", "me" }
	a := start(t, set, nil)
	b := start(t, set, nil)
	add(t, "taken", "1")
	if err := a.err(); !errors.Is(err, errTakenOver) {
		t.Errorf("the former one ends with %v", err)
	}
	a.stop()
	b.stop()
	add(t, "taken", "2")
	c := start(t, set, nil)
	if got := string(c.next().Data); got != "2" && got != "1" {
		t.Errorf("got %s", got)
	}
}

// TestTrimmedStream proves that entries which were trimmed before they were read are a gap, and that
// the source reads on.
func TestTrimmedStream(t *testing.T) {
	flushRedis(t)
	set := func(o *Options) { o.Stream, o.Name = "trimmed", "me" }
	client := testenv.RedisClient(t)
	r := start(t, set, nil)
	add(t, "trimmed", "1")
	r.want("1")
	r.stop()
	add(t, "trimmed", numbers(0, 10)...)
	if err := client.XTrimMaxLen(t.Context(), "trimmed", 2).Err(); err != nil {
		t.Fatal(err)
	}
	r = start(t, set, nil)
	if got := r.gap(); !strings.Contains(got, "8 entries were trimmed or deleted") {
		t.Errorf("gap: %s", got)
	}
	r.want("8", "9")
	if err := client.Del(t.Context(), "trimmed").Err(); err != nil {
		t.Fatal(err)
	}
	if got := r.gap(); !strings.Contains(got, "was recreated") {
		t.Errorf("gap: %s", got)
	}
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "trimmed", ID: "1-1", Values: []string{"data", "young"}}).Err(); err != nil {
		t.Fatal(err)
	}
	r.want("young")
	if n := len(r.gaps); n != 0 {
		t.Errorf("%d gaps more", n)
	}
}

func TestChecks(t *testing.T) {
	for text, o := range map[string]Options{
		"from must be": {From: "x"}, "name a group stores": {From: "new", Name: "a", Group: "b"}, "consumer is a name": {From: "1-0", Consumer: "c"}, "max_deliveries only": {From: "start", MaxDeliveries: 1},
	} {
		got := ""
		o.Check(func(option, text string) { got += option + " " + text })
		if !strings.HasPrefix(got, text) {
			t.Errorf("%q, want %q", got, text)
		}
	}
}
