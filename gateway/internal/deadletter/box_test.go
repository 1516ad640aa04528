package deadletter

import (
	"errors"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestSealedEventHasTheLastAttempt proves that a dead letter has the ID of the attempt that failed last, and none of an earlier sink.
func TestSealedEventHasTheLastAttempt(t *testing.T) {
	first := Failure{Component: "sink shop", Err: plugin.Attempt("a1", errors.New("refused")), Attempts: 1}.seal(&event.Event{})
	if id, _ := first.Attr(plugin.DeadLetterAttemptID); id != "a1" {
		t.Errorf("attributes %v", first.Attrs)
	}
	second := Failure{Component: "sink box", Err: errors.New("full"), Attempts: 1}.seal(first)
	if id, ok := second.Attr(plugin.DeadLetterAttemptID); ok {
		t.Errorf("the attempt ID %s is that of another sink: %v", id, second.Attrs)
	}
}
