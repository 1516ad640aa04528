package plugin

import "eventgateway/gateway/event"

// ClientSimulator is implemented by the options of a sink whose clients may get different events,
// for `gateway test`.
type ClientSimulator interface {
	// SimulateClient returns a function that is called for each event in order. It returns the payload
	// that a client with these claims gets; sees is false if it gets none. SimulateClient returns an error
	// if such a client would be refused.
	SimulateClient(claims map[string]any) (func(*event.Event) (payload []byte, sees bool), error)
}
