package router

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// standardSchedule is that of Standard Webhooks 1.0.0 behind the first attempt.
var standardSchedule = []options.Duration{
	seconds(5), seconds(5 * 60), seconds(30 * 60), seconds(2 * 3600), seconds(5 * 3600),
	seconds(10 * 3600), seconds(14 * 3600), seconds(20 * 3600), seconds(24 * 3600),
}

func seconds(n int) options.Duration { return options.Duration(time.Duration(n) * time.Second) }

// memory is a source of one event that remembers how its delivery goes, as a group of
// redis-stream does.
type memory struct {
	tried *event.Attempts
	told  []error
}

func (m *memory) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	e := &event.Event{Time: time.Now(), Data: []byte("patient"), Attempts: m.tried}
	err := out.Emit(ctx, event.Batch{
		Events: []*event.Event{e},
		Ack: ackAnd(func(err error) { m.told = append(m.told, err) },
			func(n int, last time.Time) { m.tried = &event.Attempts{Failed: n, Last: last} }),
	})
	<-ctx.Done()
	return plugin.UnlessDone(ctx, err)
}

// TestSchedule takes an event through three quick attempts and the 75 hours of the
// schedule, in gateways that are killed on the way: each goes on where the one before was,
// and at the end it is a dead letter that says how often it was tried.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		attempts := &notes[time.Duration]{}
		source := &memory{}
		run := func() *started {
			return start(t, Graph{
				Sources: []SourceSpec{sourceSpec("in", source)},
				Sinks: []SinkSpec{
					sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error {
						attempts.add(time.Since(begin))
						return plugin.Failed(map[int]error{0: errSink})
					}), func(d *delivery.Options) {
						d.Retry = delivery.Retry{Initial: seconds(1), Max: seconds(1), MaxAfter: seconds(60), Attempts: 3, Schedule: standardSchedule}
						d.DeadLetter = "parked"
					}),
					sinkSpec("parked", sinkFunc(func(_ context.Context, events []*event.Event) error {
						if n, _ := events[0].Attr(plugin.DeadLetterAttempts); n != "12" {
							t.Errorf("given up after %s attempts", n)
						}
						return nil
					}), nil),
				},
				Routes: routeTo("out"),
			})
		}
		r := run()
		stop := func() {
			before := time.Now()
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(before); took > 0 {
				t.Errorf("the stop has waited %v for an attempt that is far away", took)
			}
		}
		for _, pause := range []time.Duration{10 * time.Second, time.Minute, time.Hour, 40 * time.Hour} {
			time.Sleep(pause)
			if st := r.Status().Sinks[0]; st.Retrying != 1 || !st.Up {
				t.Errorf("%+v", st)
			}
			stop()
			r = run()
		}
		time.Sleep(80 * time.Hour)
		if st := r.Status(); st.Sinks[0].DeadLettered != 1 || st.Sinks[1].Delivered != 1 {
			t.Errorf("%+v", st)
		}
		stop()
		at := attempts.all()
		if len(at) != 12 || len(source.told) != 5 || source.told[4] != nil {
			t.Fatalf("%d attempts at %v, told %v", len(at), at, source.told)
		}
		if quick := at[2] - at[0]; quick > 2*time.Second {
			t.Errorf("the quick ones took %v", quick)
		}
		for i, d := range standardSchedule {
			pause := at[3+i] - at[2+i]
			if pause < d.D() || pause > d.D()*11/10+time.Second {
				t.Errorf("attempt %d came after %v, the schedule says %v", 4+i, pause, d)
			}
		}
	})
}

// TestAskedPause: a pause that the receiver asks for holds for its event, within the
// limit.
func TestAskedPause(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{20 * time.Second: 20 * time.Second, time.Hour: time.Minute} {
		t.Run(fmt.Sprint(asked), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				attempts := &notes[time.Duration]{}
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", emits(1, nil))},
					Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error {
						if attempts.add(time.Since(begin)) > 1 {
							return nil
						}
						return plugin.Failed(map[int]error{0: plugin.RetryAfter(errSink, asked)})
					}), func(d *delivery.Options) { d.Retry.MaxAfter = seconds(60) })},
					Routes: routeTo("out"),
				})
				time.Sleep(2 * time.Hour)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if at := attempts.all(); len(at) != 2 || at[1] < want || at[1] > want+time.Second {
					t.Errorf("attempts at %v", at)
				}
			})
		})
	}
}

// TestNobodyThere: while a sink fails as a whole, events do not move on in the schedule:
// they are delivered as soon as it works again.
func TestNobodyThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		got := &notes[string]{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(50, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(_ context.Context, events []*event.Event) error {
				if !there.Load() {
					return errSink
				}
				got.add(texts(events)...)
				return nil
			}), func(d *delivery.Options) {
				d.Retry.Attempts, d.Retry.Schedule = 2, standardSchedule
				d.Queue.Batch, d.Workers = 1, 8
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(200 * time.Hour)
		if st := r.Status().Sinks[0]; st.DeadLettered != 0 || st.Retrying != 0 || st.Breaker.State == stats.BreakerClosed {
			t.Errorf("%+v", st)
		}
		there.Store(true)
		time.Sleep(30 * time.Second) // retry.max
		if n := len(got.all()); n != 50 {
			t.Errorf("%d are there", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacedSourceIsNotHeldUp by an event that waits for the schedule: it is given back,
// with what is behind it, and its successor goes on where it was.
func TestReplacedSourceIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, attempts, began := time.Now(), &notes[time.Duration]{}, &notes[time.Duration]{}
		tried := &notes[event.Attempts]{}
		j := &journal{}
		in := func(version int) SourceSpec {
			return partSource(j, "in", version, func(p *part) {
				p.from = func(ctx context.Context, out plugin.Output) error {
					began.add(time.Since(begin))
					for _, text := range []string{"bad", "behind"} {
						e := &event.Event{Time: time.Now(), Data: []byte(text)}
						if last := tried.all(); text == "bad" && len(last) > 0 {
							e.Attempts = &last[len(last)-1]
						}
						_ = out.Emit(ctx, event.Batch{
							Events: []*event.Event{e},
							Ack: ackAnd(func(err error) { j.add("%s of version %d: %v", text, version, err) },
								func(n int, last time.Time) { tried.add(event.Attempts{Failed: n, Last: last}) }),
						})
					}
					<-ctx.Done()
					return nil
				}
			})
		}
		out := sinkSpec("out", eventsFail(&notes[string]{}, func(text string) error {
			if text == "bad" && attempts.add(time.Since(begin)) == 1 {
				return errSink
			}
			return nil
		}), func(d *delivery.Options) { d.Queue.Batch, d.Retry.Schedule = 1, []options.Duration{seconds(3600)} })
		g := Graph{Sources: []SourceSpec{in(1)}, Sinks: []SinkSpec{out}, Routes: routeTo("out")}
		r := start(t, g)
		time.Sleep(time.Minute)
		g.Sources = []SourceSpec{in(2)}
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if at := began.all(); len(at) != 2 || at[1] != time.Minute {
			t.Errorf("captures from %v", at)
		}
		if at := attempts.all(); len(at) != 2 || at[1] < time.Hour || at[1] > time.Hour*11/10 {
			t.Errorf("attempts at %v", at)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"bad of version 1: " + ack.ErrReplaced.Error(), "behind of version 1: " + ack.ErrReplaced.Error(), "bad of version 2: <nil>", "behind of version 2: <nil>"} {
			if lines := j.take(); !slices.Contains(lines, want) {
				t.Errorf("%q lacks %s", lines, want)
			} else {
				j.lines = lines
			}
		}
	})
}
