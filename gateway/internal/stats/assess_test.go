package stats

import (
	"reflect"
	"testing"
	"time"
)

// TestAssess proves which states and reasons a status gives, with the words and times of its components.
func TestAssess(t *testing.T) {
	started := time.Unix(1000, 0)
	later := func(seconds int) time.Time { return started.Add(time.Duration(seconds) * time.Second) }
	at := func(seconds int) *time.Time { return new(later(seconds)) }
	up := Health{Up: true, Since: later(1)}
	past := Health{Up: true, Since: later(1), LastError: "an error of the past", LastErrorAt: at(0)}
	down := Health{Since: later(5), Failing: true, FailingSince: at(4), LastError: "refused", LastErrorAt: at(9)}
	failing := Health{Up: true, Since: later(1), Failing: true, FailingSince: at(6), LastError: "answered 500", LastErrorAt: at(9)}
	closed := BreakerStatus{State: BreakerClosed}
	source := func(name string, h Health) SourceStatus { return SourceStatus{Name: name, Health: h} }
	sink := func(name string, h Health) SinkStatus { return SinkStatus{Name: name, Health: h, Breaker: closed} }
	routes := []RouteStatus{{Name: "publish", From: []string{"db"}, To: []string{"bus"}}, {Name: "deliver", From: []string{"in"}, To: []string{"browsers"}}}
	status := func(db, in, bus, browsers Health) Status {
		return Status{Sources: []SourceStatus{source("db", db), source("in", in)}, Routes: routes, Sinks: []SinkStatus{sink("bus", bus), sink("browsers", browsers)}}
	}
	stalled := status(up, up, up, up)
	stalled.Sources[0].Stalled, stalled.Sources[0].Failing = &StallStatus{Since: later(7), Reason: "the queue of bus is full"}, true
	held := status(up, up, up, up)
	held.Sources[0].Leader = &LeaderStatus{Name: "l", State: StandingBy, Holder: "psql"}
	disabled := status(up, up, failing, up)
	disabled.Sinks[0].Breaker.State = BreakerDisabled
	retrying := status(up, up, up, up)
	retrying.Sinks[0].Failing, retrying.Sinks[0].Retrying, retrying.Sinks[0].LastError, retrying.Sinks[0].LastErrorAt = true, 1, "answered 500", at(3)
	transform := status(up, up, up, up)
	transform.Routes = []RouteStatus{{Name: "publish", From: []string{"db"}, To: []string{"bus"}, Failing: true, FailingSince: at(8), LastError: "no JSON"}}
	broken := status(up, up, up, up)
	broken.Sinks[1].In = 1
	for name, c := range map[string]struct {
		status  Status
		known   []Reason
		state   string
		reasons []Reason
	}{
		"all work":          {status(up, past, up, up), nil, HealthOK, nil},
		"nothing runs":      {Status{}, nil, HealthDown, []Reason{{"gateway", started, "nothing runs yet"}}},
		"starting":          {status(Health{}, Health{}, up, up), nil, HealthDown, []Reason{{"source db", started, "not connected yet"}, {"source in", started, "not connected yet"}}},
		"one route is down": {status(up, up, failing, down), nil, HealthDegraded, []Reason{{"sink browsers", later(5), "down: refused"}, {"sink bus", later(6), "failing: answered 500"}}},
		"each route is down": {status(up, down, down, up), nil, HealthDown, []Reason{
			{"source in", later(5), "down: refused"}, {"sink bus", later(5), "down: refused"}}},
		"a reload failed": {status(up, up, up, up), []Reason{{"configuration", later(2), "reload failed"}}, HealthDegraded, []Reason{{"configuration", later(2), "reload failed"}}},
		"a stall":         {stalled, nil, HealthDegraded, []Reason{{"source db", later(7), "stalled: the queue of bus is full"}}},
		"no gateway can lead": {held, nil, HealthDegraded, []Reason{
			{"source db", later(1), "the lock is held by psql, which cannot lead"}}},
		"a disabled sink": {disabled, nil, HealthDegraded, []Reason{{"sink bus", later(6), "failing: answered 500, disabled by its receiver"}}},
		"a delayed event": {retrying, nil, HealthDegraded, []Reason{{"sink bus", later(3), "failing: answered 500"}}},
		"a failing route": {transform, nil, HealthDegraded, []Reason{{"route publish", later(8), "failing: no JSON"}}},
		"a bug":           {broken, nil, HealthDegraded, []Reason{{"gateway", started, "conservation law violated, this is a bug in the gateway: " + broken.Conserved().Error()}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Assess(c.status, started, c.known...)
			if name == "a bug" && len(got.Reasons) == 1 {
				got.Reasons[0].Since = started // the time of the call
			}
			if got.State != c.state || len(got.Reasons)+len(c.reasons) > 0 && !reflect.DeepEqual(got.Reasons, c.reasons) {
				t.Errorf("%s %+v, want %s %+v", got.State, got.Reasons, c.state, c.reasons)
			}
			if got.Reasons == nil {
				t.Error("reasons are null in JSON")
			}
		})
	}
}
