package inflight

import (
	"context"
	"errors"
	"testing"
)

// TestVerdict proves that Wait returns what the batch was settled with, also after its context has ended, and that a batch which is not settled
// has the error of the context.
func TestVerdict(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	refused := errors.New("refused")
	for _, want := range []error{nil, refused} {
		v := NewVerdict()
		if err := v.Wait(ended); err != context.Canceled {
			t.Errorf("before it is settled: %v", err)
		}
		waited := make(chan error)
		go func() { waited <- v.Wait(t.Context()) }()
		v.Ack().Settle(want)
		v.Ack().Settle(errors.New("the second call"))
		if err := <-waited; err != want {
			t.Errorf("%v, want %v", err, want)
		}
		if err := v.Wait(ended); err != want {
			t.Errorf("after the end of the context: %v, want %v", err, want)
		}
	}
}
