package router

import (
	"context"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestParseTime has texts of PostgreSQL, JavaScript and others.
func TestParseTime(t *testing.T) {
	at := time.Date(2026, 11, 26, 20, 21, 27, 123456000, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-26T20:21:27.123456Z":      at,
		"2026-11-26T20:21:27.123456+00:00": at, // row_to_json of a timestamptz
		"2026-11-26 20:21:27.123456+00":    at, // its text
		"2026-11-27 02:06:27.123456+05:45": at,
		"2026-11-26T12:21:27.123456-0800":  at,
		"2026-11-26T20:21:27.123Z":         at.Truncate(time.Millisecond),
		"2026-11-26T20:21:27Z":             at.Truncate(time.Second),
		"1795724487":                       at.Truncate(time.Second),
		"1795724487.123":                   at.Truncate(time.Millisecond),
		"1795724487123":                    at.Truncate(time.Millisecond), // Date.now()
		"2026-11-26T20:21:27.123456":       {},                            // a timestamp without time zone
		"2026-11-26 20:21:27":              {},
		"2026-11-26":                       {},
		"2026-13-26T20:21:27Z":             {},
		"":                                 {},
		"0":                                {},
		"-1":                               {},
		"NaN":                              {},
		"1e300":                            {},
		"true":                             {},
		"2026-11-26T":                      {},
		"           ":                      {},
	} {
		got, ok := parseTime([]byte(text))
		if ok == want.IsZero() || ok && got.Sub(want).Abs() > time.Microsecond { // a number has 53 bits
			t.Errorf("%q is %v, %v, want %v", text, got, ok, want)
		}
	}
}

// TestOriginTime proves that origin_time sets the origin time of events, replaces that of the source, and that an event
// without one is counted. It also proves that the time of the last event is unknown before the first.
func TestOriginTime(t *testing.T) {
	own := time.Now().Add(-time.Hour)
	begin, got := make(chan struct{}), make(chan *event.Event, 10)
	source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		<-begin
		for _, data := range []string{`{"order":{"at":1795724487}}`, `{"order":{"at":null}}`, `{"order":{}}`, `no JSON`, `{"order":{"at":"today"}}`} {
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte(data), Origin: own}}}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	spec := sourceSpec("in", source)
	spec.Capture.Origin = expr.MustCompile("order.at")
	g := Graph{Sources: []SourceSpec{spec}, Routes: routeTo("out"), Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(_ context.Context, events []*event.Event) error {
		for _, e := range events {
			got <- e
		}
		return nil
	}), nil)}}
	s := start(t, g)
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.plan.WaitReady(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	status := func() stats.SourceStatus { return s.Status().Sources[0] }
	if at := status().LastEventAt; at != nil {
		t.Errorf("the last event was at %v, before there was one", at)
	}
	before := time.Now()
	close(begin)
	for i := range 5 {
		want := time.Time{}
		if i == 0 {
			want = time.Unix(1795724487, 0)
		}
		if e := <-got; !e.Origin.Equal(want) {
			t.Errorf("event %d: the origin time is %v, want %v", i, e.Origin, want)
		}
	}
	st := status()
	if st.OriginUnknown != 4 || st.LastEventAt == nil || st.LastEventAt.Before(before) || st.LastEventAt.After(time.Now()) {
		t.Errorf("%+v", st)
	}
}

// TestOriginOfATimestampWithoutTimeZone proves that an expression can name the zone, and that a field of the payload costs
// one allocation, for its text.
func TestOriginOfATimestampWithoutTimeZone(t *testing.T) {
	e := []*event.Event{{Data: []byte(`{"order":{"a":"2026-11-26T20:21:27.123456","b":"2026-11-26T20:21:27.123456+00:00"}}`)}}
	for text, allocations := range map[string]bool{`order.a + "Z"`: true, "order.b": false} {
		s := &source{record: &stats.SourceRecord{}}
		s.spec.Capture.Origin = expr.MustCompile(text)
		s.setOrigin(e)
		if want := time.Date(2026, 11, 26, 20, 21, 27, 123456000, time.UTC); !e[0].Origin.Equal(want) {
			t.Errorf("%s is %v", text, e[0].Origin)
		}
		if n := testing.AllocsPerRun(100, func() { s.setOrigin(e) }); !allocations && n > 1 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}
