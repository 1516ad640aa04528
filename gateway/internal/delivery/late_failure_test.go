package delivery

import (
	"errors"
	"log/slog"
	"testing"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// TestLateFailureDoesNotHide: two workers write at once, one fails, the other succeeds and closes the
// breaker. Who is late to note the failure must not leave the sink down: nothing may come for hours.
func TestLateFailureDoesNotHide(t *testing.T) {
	d := DefaultOptions()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := &Sink{Config: Config{Component: component.New(log, plugin.KindSink, "out", nil, nil, nil)}, breaker: newBreaker(&d)}
	defer s.Health.Stopped()
	s.Health.Up()
	enter := func() permit {
		p, ok := s.breaker.acquire(t.Context(), func() bool { return false })
		if !ok {
			t.Fatal("the breaker is closed")
		}
		return p
	}
	late, well := enter(), enter()
	pause := s.breaker.release(late, sinkFailed, 0)
	s.breaker.release(well, sinkWorks, 0)
	s.Health.Up()
	s.down(errors.New("reset"), pause)
	if st := s.Health.Health(); !st.Up || st.Failing || s.breaker.status().State != stats.BreakerClosed {
		t.Errorf("%+v, the breaker is %s", st, s.breaker.status().State)
	}
	p := enter()
	s.down(errors.New("reset"), s.breaker.release(p, sinkFailed, 0))
	if st := s.Health.Health(); st.Up || !st.Failing {
		t.Errorf("the breaker is open: %+v", st)
	}
}
