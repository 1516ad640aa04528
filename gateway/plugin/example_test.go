package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

// mailbox is a sink that refuses one address for ever, and asks for a pause for another one.
type mailbox struct{ greeting string }

func (m *mailbox) Write(_ context.Context, events []*event.Event) error {
	failed := map[int]error{}
	for i, e := range events {
		switch e.Key {
		case "nobody":
			failed[i] = plugin.Permanent(errors.New("there is no such address")) // a dead letter at once
		case "full":
			failed[i] = plugin.RetryAfter(errors.New("the mailbox is full"), time.Minute)
		default:
			fmt.Printf("%s %s: %s\n", m.greeting, e.Key, e.Data)
		}
	}
	return plugin.Failed(failed) // nil if none has failed
}

// A sink gets batches, and returns which events have failed.
func ExampleNewSink() {
	type options struct {
		Greeting string `koanf:"greeting" rule:"required" doc:"first word"`
	}
	typ := plugin.NewSink("mailbox", "Prints mail.", func() options { return options{Greeting: "to"} },
		func(o options, _ plugin.Env) (plugin.Sink, error) { return &mailbox{o.Greeting}, nil })
	sink, _ := typ.Build(typ.Defaults(), plugin.Env{})
	err := sink.Write(context.Background(), []*event.Event{{Key: "ada", Data: []byte("hello")}, {Key: "nobody"}, {Key: "full"}})
	each, _ := plugin.Outcomes(err, 3)
	for _, err := range each {
		fmt.Println(err, plugin.IsPermanent(err), plugin.RetryDelay(err))
	}
	// Output:
	// to ada: hello
	// <nil> false 0s
	// there is no such address true 0s
	// the mailbox is full false 1m0s
}

// visits is a transform that counts the events of each key, and keeps the counts in its state.
type visits struct{ state plugin.State }

func (v *visits) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	text, err := v.state.Get(ctx, e.Key)
	if err != nil {
		return err // marked by Unavailable where the store is not reached: then the event goes back to its source
	}
	n, _ := strconv.Atoi(string(text))
	if err := v.state.Put(ctx, e.Key, []byte(strconv.Itoa(n+1))); err != nil {
		return err
	}
	emit(e.WithData(fmt.Appendf(nil, "%s, visit %d", e.Data, n+1))) // a copy: e must not change
	return nil
}

// A transform with state emits a copy of each event.
func ExampleNewTransform() {
	typ := plugin.NewTransform("visits", "Counts visits.", func() struct{} { return struct{}{} },
		func(_ struct{}, env plugin.Env) (plugin.Transform, error) { return &visits{env.State}, nil }).With(plugin.KeepsState, plugin.Stateful)
	state := plugintest.NewState() // as the gateway keeps it
	for range 2 {
		tr, _ := typ.Build(typ.Defaults(), plugin.Env{State: state}) // anew, as after a restart
		out, err := plugintest.Apply(context.Background(), tr, &event.Event{Key: "ada", Data: []byte("welcome")})
		fmt.Println(string(out[0].Data), err)
	}
	// Output:
	// welcome, visit 1 <nil>
	// welcome, visit 2 <nil>
}

// lines is a source that reads lines and continues behind the last one that was acked.
type lines struct {
	text  []string
	acked int
}

func (s *lines) Run(ctx context.Context, out plugin.Output) error {
	flight := inflight.NewPositionTracker(s.acked)
	out.Ready() // connected: from now on all lines are emitted
	for n := s.acked; n < len(s.text); n++ {
		e := &event.Event{ID: strconv.Itoa(n), Data: []byte(s.text[n])}
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: flight.Add(n+1, 1)}); err != nil {
			break // ctx has ended
		}
	}
	for {
		s.acked = flight.Acked() // a real source stores it in Env.State, or at its server
		if _, nacked := flight.State(); nacked != nil {
			return nacked // the next Run begins behind the last ack
		}
		select {
		case <-flight.Changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// output prints, acks the first batch, and nacks the others.
type output struct {
	plugintest.Output
	acked atomic.Bool
}

func (o *output) Emit(_ context.Context, b event.Batch) error {
	fmt.Printf("emitted %s\n", b.Events[0].Data)
	if !o.acked.Swap(true) {
		b.Ack.Settle(nil)
	} else {
		b.Ack.Settle(errors.New("the sink is stopping"))
	}
	return nil
}

// A source that can replay gives each batch an Ack, and emits again what was nacked.
func ExampleNewSource() {
	typ := plugin.NewSource("lines", "Reads lines.", func() struct{} { return struct{}{} },
		func(struct{}, plugin.Env) (plugin.Source, error) { return &lines{text: []string{"a", "b"}}, nil }).With(plugin.Replays)
	source, _ := typ.Build(typ.Defaults(), plugin.Env{})
	ctx, stop := context.WithCancel(context.Background())
	fmt.Println(source.Run(ctx, &output{}))
	stop()                                  // the second Run ends when it has emitted
	fmt.Println(source.Run(ctx, &output{})) // the gateway calls it after a pause
	// Output:
	// emitted a
	// emitted b
	// a batch was nacked: the sink is stopping
	// emitted b
	// <nil>
}

// hook is a source that takes requests, and answers each when the sinks have its event.
type hook struct{ out atomic.Pointer[plugin.Output] }

func (s *hook) Run(ctx context.Context, out plugin.Output) error {
	s.out.Store(&out)
	defer s.out.Store(nil)
	out.Ready()
	<-ctx.Done()
	return nil
}

func (s *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	err = plugin.ErrNotRunning
	if out := s.out.Load(); out != nil {
		v := inflight.NewVerdict()
		if err = (*out).TryEmit(event.Batch{Events: []*event.Event{{Data: body}}, Ack: v.Ack()}); err == nil {
			err = v.Wait(r.Context()) // an http.Server cancels it when the client is gone
		}
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case plugin.IsPermanent(err):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	default:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(plugin.RetryDelay(err).Seconds()))))
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	}
}

// room is an output that takes one batch, and then has no room.
type room struct {
	plugintest.Output
	full atomic.Bool
}

func (o *room) TryEmit(batches ...event.Batch) error {
	if o.full.Swap(true) {
		return plugin.ErrNoRoom
	}
	batches[0].Ack.Settle(nil)
	return nil
}

// A source whose senders wait for an answer asks for room, and answers by the verdict of the batch.
func ExampleNewSource_answersSenders() {
	mounter := plugintest.NewMounter()
	typ := plugin.NewSource("hook", "Takes requests.", func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Source, error) {
		s := &hook{}
		return s, env.HTTP.Handle("POST /hook", s)
	}).With(plugin.AnswersSenders)
	source, _ := typ.Build(typ.Defaults(), plugin.Env{HTTP: mounter})
	send := func() {
		w := httptest.NewRecorder()
		mounter.Pages.ServeHTTP(w, httptest.NewRequest("POST", "/hook", strings.NewReader("{}")))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	send() // before Run
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error)
	go func() { ended <- source.Run(ctx, &readyRoom{ready: ready}) }()
	<-ready
	send()
	send()
	stop()
	fmt.Println(<-ended)
	// Output:
	// 503 "1"
	// 202 ""
	// 503 "1"
	// <nil>
}

type readyRoom struct {
	room
	ready chan struct{}
}

func (o *readyRoom) Ready() { close(o.ready) }
