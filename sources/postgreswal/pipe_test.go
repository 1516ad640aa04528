package postgreswal

import (
	"context"
	"errors"
	"testing"
)

// TestPipe proves that messages keep their order, that the receiver waits while the pipe is full, and that an error follows the
// messages.
func TestPipe(t *testing.T) {
	p := newPipe()
	big := make([]byte, maxPipeBytes/2)
	put := func(m message) {
		t.Helper()
		if err := p.put(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	put(message{lsn: 1})
	put(message{lsn: 2})
	put(message{data: big})
	put(message{data: big})
	ended, failed := context.WithCancel(t.Context())
	failed()
	if err := p.put(ended, message{data: big}); !errors.Is(err, context.Canceled) || !p.isBlocked() {
		t.Errorf("a full pipe takes a message: %v", err)
	}
	got, err := p.take(nil)
	if err != nil || len(got) != 3 || got[0].lsn != 2 {
		t.Errorf("%d messages, %v: want the latest keepalive and 2 messages", len(got), err)
	}
	put(message{lsn: 3})
	cause := errors.New("lost")
	p.close(cause)
	p.close(errors.New("later"))
	if got, err := p.take(got); err != nil || len(got) != 1 || got[0].lsn != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := p.take(nil); !errors.Is(err, cause) {
		t.Errorf("the error is %v", err)
	}
}

func TestPositionOrder(t *testing.T) {
	for i, p := range []position{{1, 0}, {1, 1}, {1, 2}, {2, 0}} {
		for j, q := range []position{{1, 0}, {1, 1}, {1, 2}, {2, 0}} {
			if got := p.compare(q); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%v to %v: %d", p, q, got)
			}
		}
	}
}
