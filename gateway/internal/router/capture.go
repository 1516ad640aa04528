package router

import (
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
)

// Capture is what every source may be given beside its own options.
type Capture struct {
	Key         expr.Expression `koanf:"key" doc:"expression over the payload whose value is the ordering key: events of one key stay in order"`
	Origin      expr.Expression `koanf:"origin_time" doc:"expression over the payload whose value is when the event was written where it came from: its latency is measured from then on"`
	TraceParent expr.Expression `koanf:"traceparent" doc:"expression over the payload whose value is the trace of the event, as in the header traceparent"`
	Leader      string          `koanf:"leader" rule:"max=200" doc:"name of a leadership: one of the gateways with that name runs the source, and the others stand by"`
}

// Docs is part of [options.Documented].
func (Capture) Docs() map[string]string {
	return map[string]string{
		"key":         "Where it cannot be evaluated, the event has no key",
		"origin_time": "A time with a zone, such as that of a timestamptz, or a number: Unix seconds, or milliseconds above 100,000,000,000",
		"traceparent": "It takes the place of the attribute traceparent. Where it is no trace, the attribute stays as it is",
	}
}

// Failure is what a configuration says of a transform beside its own options.
type Failure struct {
	OnError string `koanf:"on_error" rule:"oneof=dead_letter|drop|pass" doc:"what becomes of an event on which the transform fails"`
}

// Docs is part of [options.Documented].
func (Failure) Docs() map[string]string {
	return map[string]string{
		"on_error": "It is parked as a dead letter, dropped, or goes on as it came; each is counted",
	}
}

// The values of [Failure].OnError.
const (
	OnErrorDeadLetter = "dead_letter"
	OnErrorDrop       = "drop"
	OnErrorPass       = "pass"
)

// DefaultFailure returns the failure handling of a transform for which the configuration says nothing.
func DefaultFailure() Failure { return Failure{OnError: OnErrorDeadLetter} }

// Collect is what a configuration says of a batch transform beside that.
type Collect struct {
	Window Window `koanf:"collect"`
}

// Window says which events a batch transform gets at once.
type Window struct {
	Size  int              `koanf:"size" rule:"min=1,max=100000" doc:"most events of a window"`
	Time  options.Duration `koanf:"time" rule:"min=1ms,max=10m" doc:"how long a window is open, from its first event on"`
	Bytes options.Size     `koanf:"bytes" rule:"min=1KiB" doc:"memory that the open windows may take together: of each event its payload and 256 bytes; beyond it the oldest window ends"`
	Keys  int              `koanf:"keys" rule:"min=1,max=1000000" doc:"most open windows, one for each value of by and each source; beyond it the oldest window ends"`
	By    expr.Expression  `koanf:"by" doc:"expression over the payload: events of each value have a window of their own; where it cannot be evaluated, the value is empty"`
}

// DefaultCollect returns the windows of a batch transform for which the configuration says nothing.
func DefaultCollect() Collect {
	return Collect{Window{Size: 100, Time: options.Duration(1e9), Bytes: 16 << 20, Keys: 10_000}}
}
