package redisstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// flushRedis empties Redis.
func flushRedis(t *testing.T) {
	t.Helper()
	if err := testenv.RedisClient(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// running is a source that is restarted when Run ends, as by the router, until stop.
type running struct {
	plugintest.Output
	t      *testing.T
	source *source
	stop   func()
	ready  chan struct{}
	errs   chan error
	gaps   chan string
	begun  atomic.Int32 // gaps at a start that knows no position
	got    chan *event.Event

	stalled chan string

	mu      sync.Mutex
	verdict func(event.Batch) func() error // waits, and says what to ack; nil: all is well
	refused []string
}

// newSource returns a source.
func newSource(t *testing.T, set func(*Options)) *source {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.URL = options.NewURL(testenv.Redis(t).URL())
	set(o)
	o.Check(func(option, text string) { t.Errorf("%s: %s", option, text) })
	env := plugintest.Env(t)
	env.Metrics = prometheus.NewRegistry()
	s, err := Type().Build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

// start runs a source. settle is called for each batch, and what it returns in a
// goroutine of its own.
func start(t *testing.T, set func(*Options), settle func(event.Batch) func() error) *running {
	t.Helper()
	return startSource(t, newSource(t, set), settle)
}

func startSource(t *testing.T, s *source, settle func(event.Batch) func() error) *running {
	t.Helper()
	r := &running{
		t: t, source: s, stalled: make(chan string, 1000), verdict: settle, ready: make(chan struct{}, 1000),
		errs: make(chan error, 1000), gaps: make(chan string, 1000), got: make(chan *event.Event, 100_000),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := r.source.Run(ctx, r); err != nil {
				r.errs <- err
				time.Sleep(5 * time.Millisecond) // as the router's backoff
			}
		}
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		if err := r.source.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	r.await(r.ready)
	return r
}

func (r *running) await(c chan struct{}) {
	r.t.Helper()
	select {
	case <-c:
	case <-time.After(testenv.Wait):
		r.t.Fatal("it is not ready")
	}
}

func (r *running) SetStalled(reason string) { r.stalled <- reason }
func (r *running) Ready()                   { r.ready <- struct{}{} }

func (r *running) Gap(reason string) {
	if reason == noPositionGap {
		r.begun.Add(1)
		return
	}
	r.gaps <- reason
}
func (r *running) Emit(_ context.Context, b event.Batch) error {
	for _, e := range b.Events {
		if b.DeadLetter != nil {
			r.mu.Lock()
			r.refused = append(r.refused, string(e.Data))
			r.mu.Unlock()
		}
		r.got <- e
	}
	if r.verdict == nil {
		b.Ack.Settle(nil)
		return nil
	}
	wait := r.verdict(b)
	go func() { b.Ack.Settle(wait()) }()
	return nil
}

// next returns the next event.
func (r *running) next() *event.Event {
	r.t.Helper()
	select {
	case e := <-r.got:
		return e
	case <-time.After(testenv.Wait):
		r.t.Fatal("no event")
		return nil
	}
}

// want checks the payloads of the next events.
func (r *running) want(payloads ...string) {
	r.t.Helper()
	for _, p := range payloads {
		if got := string(r.next().Data); got != p {
			r.t.Fatalf("got %s, want %s", got, p)
		}
	}
}

func (r *running) gap() string {
	r.t.Helper()
	select {
	case g := <-r.gaps:
		return g
	case <-time.After(testenv.Wait):
		r.t.Fatal("no gap")
		return ""
	}
}

func (r *running) err() error {
	r.t.Helper()
	select {
	case err := <-r.errs:
		return err
	case <-time.After(testenv.Wait):
		r.t.Fatal("no error")
		return nil
	}
}

// add appends payloads to a stream.
func add(t testing.TB, stream string, payloads ...string) (last string) {
	t.Helper()
	client := testenv.RedisClient(t)
	for _, p := range payloads {
		id, err := client.XAdd(testenv.Context(t), &redis.XAddArgs{Stream: stream, Values: []string{"data", p}}).Result()
		if err != nil {
			t.Fatal(err)
		}
		last = id
	}
	return last
}

func numbers(from, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(from+i))
	}
	return out
}
