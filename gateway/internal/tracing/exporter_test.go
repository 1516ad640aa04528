package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// started is a tracer whose exporter runs until the test ends.
type started struct {
	*Tracer
	t       *testing.T
	metrics *Metrics
	log     *testenv.Log
}

func start(t *testing.T, url string, set func(*Options)) started {
	t.Helper()
	o := DefaultOptions()
	o.Endpoint = options.NewURL(url)
	if set != nil {
		set(&o)
	}
	o.Check(func(option, text string) { t.Errorf("%s: %s", option, text) })
	s := started{t: t, metrics: NewMetrics(), log: &testenv.Log{}}
	s.Tracer = New(o, "1.2.3", s.metrics, slog.New(slog.NewTextHandler(s.log, nil)))
	t.Cleanup(func() { s.shutdown(testenv.Wait) })
	return s
}

func (s started) shutdown(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	s.Shutdown(ctx)
}

// counts returns how many spans were exported, and dropped for a reason.
func (s started) counts(reason string) (exported, dropped int) {
	var m, d dto.Metric
	if s.metrics.exported.Write(&m) != nil || s.metrics.dropped.WithLabelValues(reason).Write(&d) != nil {
		s.t.Fatal("the metrics cannot be read")
	}
	return int(m.GetCounter().GetValue()), int(d.GetCounter().GetValue())
}

// TestRequest proves that a receiver gets all of a span.
func TestRequest(t *testing.T) {
	r := testenv.NewTraceReceiver(t)
	s := start(t, strings.Replace(r.URL, "http://", "http://user:pass@", 1), func(o *Options) {
		o.Headers = options.Map[options.Secret]{{Key: "X-Tenant", Value: options.NewSecret("shop")}}
		o.Resource = options.Map[string]{{Key: "service.name", Value: "orders"}, {Key: "team", Value: "a"}}
	})
	begin := time.Now()
	w := s.Writes("bus", eventsOf(inA, inB))
	w.Set("attempt", 3)
	w.End(OutcomeRetry, errors.New(`no: "secret"`))
	e := s.Emitted("db", eventsOf(inA))
	e.End(OutcomeEmitted, nil)
	got := r.Await(t, "a span of the sink", func(s testenv.Span) bool { return s.Name == "sink bus" })
	want := map[string]string{"gateway.component": "sink bus", "messaging.batch.message_count": "2", "gateway.outcome": "retry", "gateway.attempt": "3"}
	if fmt.Sprint(got.Attrs) != fmt.Sprint(want) {
		t.Errorf("attributes %v", got.Attrs)
	}
	if at := time.Unix(0, int64(got.StartTimeUnixNano)); at.Before(begin) || got.EndTimeUnixNano < got.StartTimeUnixNano || time.Unix(0, int64(got.EndTimeUnixNano)).After(time.Now()) {
		t.Errorf("times %v %v", got.StartTimeUnixNano, got.EndTimeUnixNano)
	}
	if got.Kind != tracepb.Span_SPAN_KIND_CLIENT || got.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || got.Status.GetMessage() != "no: ***" || got.Parent != "" || got.Flags != 1 {
		t.Errorf("span %v", got.Span)
	}
	if l := got.Links; len(l) != 2 || fmt.Sprintf("%x %x", l[1].TraceId, l[1].SpanId) != strings.ReplaceAll(inB[3:52], "-", " ") || l[1].Flags != 1 {
		t.Errorf("links %v", l)
	}
	for name, text := range map[string]string{"service.name": "orders", "service.version": "1.2.3", "team": "a"} {
		if got.Resource[name] != text {
			t.Errorf("resource %v", got.Resource)
		}
	}
	one := r.Await(t, "a span of the source", func(s testenv.Span) bool { return s.Name == "source db" })
	if one.TraceID != inA[3:35] || one.Parent != inA[36:52] || one.Kind != tracepb.Span_SPAN_KIND_CONSUMER || one.Status != nil || len(one.Links) != 0 {
		t.Errorf("span %v", one.Span)
	}
	if h := r.Requests()[0]; h.URL.Path != "/v1/traces" || h.Header.Get("X-Tenant") != "shop" || h.Header.Get("Authorization") != "Basic dXNlcjpwYXNz" {
		t.Errorf("request %v %v", h.URL, h.Header)
	}
	s.shutdown(testenv.Wait)
	if exported, _ := s.counts(dropQueue); exported != 2 {
		t.Errorf("%d exported", exported)
	}
}

// TestOutage proves that spans never wait for a receiver that is away, that the outage is logged once, and that spans are exported
// again afterwards.
func TestOutage(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"503":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"reset": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testenv.NewTraceReceiver(t)
			r.SetAnswer(answer)
			s := start(t, r.URL, nil)
			const total = 2*queueSize + batchSize
			for range total {
				s.Emitted("db", eventsOf("")).End(OutcomeEmitted, nil)
			}
			_, dropped := s.counts(dropQueue)
			if dropped < total-queueSize-batchSize {
				t.Errorf("%d dropped of %d", dropped, total)
			}
			testenv.Eventually(t, testenv.Wait, "tried again", func() bool { return len(r.Requests()) > 1 })
			r.SetAnswer(nil)
			testenv.Eventually(t, testenv.Wait, "exported again", func() bool { exported, _ := s.counts(dropQueue); return exported == total-dropped })
			s.shutdown(testenv.Wait)
			log := s.log.String()
			if strings.Count(log, "traces not exported") != 1 || strings.Count(log, "traces exported again") != 1 || strings.Count(log, "\n") != 2 {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestRefusedSpans proves that spans which a receiver refuses for good are dropped and counted, and that this is logged once.
func TestRefusedSpans(t *testing.T) {
	t.Parallel()
	r := testenv.NewTraceReceiver(t)
	r.SetAnswer(func(w http.ResponseWriter) { http.Error(w, "token shop-secret", http.StatusUnauthorized) })
	s := start(t, r.URL, nil)
	for n := 1; n <= 2; n++ {
		s.Emitted("db", eventsOf("")).End(OutcomeEmitted, nil)
		testenv.Eventually(t, testenv.Wait, "dropped", func() bool { _, dropped := s.counts(dropExport); return dropped == n })
	}
	if log := s.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "401 Unauthorized") || strings.Contains(log, "shop-secret") {
		t.Errorf("log:\n%s", log)
	}
	r.SetAnswer(func(w http.ResponseWriter) { _, _ = w.Write([]byte{0x0a, 0x02, 0x08, 0x01}) }) // it has rejected a span
	s.Emitted("db", eventsOf("")).End(OutcomeEmitted, nil)
	testenv.Eventually(t, testenv.Wait, "rejected", func() bool { _, dropped := s.counts(dropRejected); return dropped == 1 })
	if exported, _ := s.counts(dropQueue); exported != 0 {
		t.Errorf("%d exported", exported)
	}
}

// TestStopIsBounded proves that a stop drops the spans that a frozen receiver does not take in time, and that none waits
// after it.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	frozen := testenv.Serve(t, func(c net.Conn) { // it reads, and never answers
		var b [4096]byte
		for {
			if _, err := c.Read(b[:]); err != nil {
				return
			}
		}
	})
	s := start(t, "http://"+frozen, nil)
	for range batchSize + 1 {
		s.Emitted("db", eventsOf("")).End(OutcomeEmitted, nil)
	}
	s.shutdown(50 * time.Millisecond) // ends
	late := s.Emitted("db", eventsOf(""))
	late.End(OutcomeEmitted, nil)
	_, stopped := s.counts(dropStop)
	_, failed := s.counts(dropExport)
	if stopped+failed != batchSize+2 {
		t.Errorf("dropped %d and %d, want %d", stopped, failed, batchSize+2)
	}
}

// TestOptionsAreChecked proves that options which no request can have are refused.
func TestOptionsAreChecked(t *testing.T) {
	for want, set := range map[string]func(*Options){
		"endpoint":    func(o *Options) { o.Endpoint = options.NewURL("http://") },
		"headers.a b": func(o *Options) { o.Headers = options.Map[options.Secret]{{Key: "a b"}} },
		"headers.X-A": func(o *Options) {
			o.Headers = options.Map[options.Secret]{{Key: "X-A", Value: options.NewSecret("a\nb")}}
		},
		"headers.content-type": func(o *Options) { o.Headers = options.Map[options.Secret]{{Key: "content-type"}} },
	} {
		o := DefaultOptions()
		o.Endpoint = options.NewURL("http://collector:4318")
		set(&o)
		var got []string
		o.Check(func(option, _ string) { got = append(got, option) })
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// TestMalformedAnswers proves that what a receiver answers does no harm.
func TestMalformedAnswers(t *testing.T) {
	for _, answer := range [][]byte{nil, {}, {0x0a}, {0x0a, 0xff}, []byte("not found"), bytes.Repeat([]byte{0xff}, 20)} {
		if n := rejectedSpans(answer); n != 0 {
			t.Errorf("%x: %d", answer, n)
		}
	}
	if n := rejectedSpans([]byte{0x12, 0x01, 'x', 0x0a, 0x05, 0x12, 0x01, 'n', 0x08, 0x03}); n != 3 {
		t.Errorf("%d", n)
	}
}
