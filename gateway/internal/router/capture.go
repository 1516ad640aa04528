package router

import "eventgateway/gateway/expr"

// Capture is what every source may be given beside its own options.
type Capture struct {
	Key    expr.Expression `koanf:"key" doc:"expression over the payload whose value orders: events of one key stay in order with several workers; where it cannot be evaluated, the event has no key"`
	Leader string          `koanf:"leader" rule:"max=200" doc:"name of a leadership: of all gateways that name it, one runs the source, and the others stand by"`
}

// Failure is what a configuration says of a transform beside its own options.
type Failure struct {
	OnError string `koanf:"on_error" rule:"oneof=dead_letter|drop|pass" doc:"what becomes of an event on which the transform fails: it is parked as a dead letter, dropped, or goes on as it came; each is counted"`
}

// The values of [Failure].OnError.
const (
	OnErrorDeadLetter = "dead_letter"
	OnErrorDrop       = "drop"
	OnErrorPass       = "pass"
)

// DefaultFailure returns the failure handling of a transform for which the configuration says nothing.
func DefaultFailure() Failure { return Failure{OnError: OnErrorDeadLetter} }
