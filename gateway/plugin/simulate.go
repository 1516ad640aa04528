package plugin

import "eventgateway/gateway/event"

// ClientSimulator is implemented by the options of a sink whose clients may see different events,
// for `gateway test`.
type ClientSimulator interface {
	// SimulateClient returns a function that takes events in their order and returns what a client
	// with claims gets of each; false where it gets nothing. The error says why such a client
	// would be refused.
	SimulateClient(claims map[string]any) (func(*event.Event) (payload []byte, sees bool), error)
}
