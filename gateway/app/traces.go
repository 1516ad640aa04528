package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/options"
)

// traces has the tracer of a gateway.
type traces struct {
	router  *router.Router
	log     *slog.Logger
	metrics *tracing.Metrics
	opts    tracing.Options // of the tracer in use
	leaving *sync.WaitGroup // replaced tracers that still send spans
}

func newTraces(r *router.Router, log *slog.Logger) traces {
	return traces{router: r, log: log, metrics: tracing.NewMetrics(), leaving: &sync.WaitGroup{}}
}

// flushTime bounds how long a tracer sends the spans in its queue, at a stop or after a reload.
const flushTime = 2 * time.Second

// set changes the options of tracing. Spans that ended before still go to the former receiver.
func (t *traces) set(o tracing.Options) {
	if options.Equal(&t.opts, &o) {
		return
	}
	var next *tracing.Tracer
	if o.Enabled() {
		next = tracing.New(o, Version, t.metrics, t.log)
	}
	t.opts = o
	t.leave(t.router.SetTracer(next))
}

// leave ends a tracer in the background.
func (t *traces) leave(before *tracing.Tracer) {
	t.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		before.Shutdown(ctx)
	})
}

// shutdown ends all tracers within flushTime.
func (t *traces) shutdown() {
	t.leave(t.router.SetTracer(nil))
	t.leaving.Wait()
}
