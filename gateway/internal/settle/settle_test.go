package settle

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is an Owner that records all calls.
type recorder struct {
	mu       sync.Mutex
	settled  []error
	attempts []int
}

func (n *recorder) Settled(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled = append(n.settled, err)
}

func (n *recorder) AttemptFailed(attempts int, _ time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attempts = append(n.attempts, attempts)
}

// TestFirstSettleHasEffect proves that later calls are ignored, also concurrent ones.
func TestFirstSettleHasEffect(t *testing.T) {
	n, lost := &recorder{}, errors.New("lost")
	var a Ack
	a.Init(n, nil)
	a.AttemptFailed(3, time.Now())
	a.Settle(lost)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { a.Settle(nil); a.AttemptFailed(4, time.Now()) })
	}
	all.Wait()
	if len(n.settled) != 1 || n.settled[0] != lost || len(n.attempts) != 1 {
		t.Errorf("settled %v, attempts %v", n.settled, n.attempts)
	}
}

// TestAckWithoutOwner proves that a nil Ack and the zero Ack can be settled.
func TestAckWithoutOwner(t *testing.T) {
	var none *Ack
	for _, a := range []*Ack{none, {}} {
		a.Settle(nil)
		a.AttemptFailed(1, time.Now())
	}
	if (&Ack{}).Redelivery().Any() || (&Ack{}).Redelivery().Check("k", true) != nil {
		t.Error("it has keys to redeliver")
	}
	(&Ack{}).Redelivery().Add("k", false, errors.New("lost"))
}

// TestRedeliveryKeys proves which events must be redelivered: those of the keys, all that span keys, and all
// events after one that spans keys.
func TestRedeliveryKeys(t *testing.T) {
	lost := errors.New("lost")
	o := &Redelivery{}
	if o.Any() || o.Check("k", true) != nil {
		t.Error("a new Redelivery has keys")
	}
	o.Add("k", false, lost)
	o.Add("l", false, errors.New("later"))
	for _, tc := range []struct {
		key       string
		spansKeys bool
		want      bool
	}{{"k", false, true}, {"l", false, true}, {"x", false, false}, {"x", true, true}} {
		if err := o.Check(tc.key, tc.spansKeys); (err != nil) != tc.want || tc.want && !errors.Is(err, lost) {
			t.Errorf("%s, spans keys %v: %v", tc.key, tc.spansKeys, err)
		}
	}
	if err := o.Check("k", false); !strings.Contains(err.Error(), "nacked: lost") {
		t.Error(err)
	}
	o.Add("j", true, lost)
	if o.Check("x", false) == nil {
		t.Error("no event is redelivered behind one that spans keys")
	}
}

// TestRedeliveryOfNextRun proves that the next Run gets keys of the earlier Run that are added after Next, and no
// others.
func TestRedeliveryOfNextRun(t *testing.T) {
	lost := errors.New("lost")
	first := &Redelivery{}
	first.Add("before", false, lost)
	second := first.Next()
	if second.Any() {
		t.Error("it has keys of before Next")
	}
	third := second.Next()
	first.Add("late", false, lost)
	second.Add("second", false, lost)
	for o, keys := range map[*Redelivery][]string{first: {"before", "late"}, second: {"late", "second"}, third: {"late", "second"}} {
		n := 0
		for _, key := range []string{"before", "late", "second"} {
			if o.Check(key, false) != nil {
				n++
			}
		}
		for _, key := range keys {
			if o.Check(key, false) == nil {
				t.Errorf("the key %s is missing", key)
			}
		}
		if n != len(keys) {
			t.Errorf("%d keys, want %q", n, keys)
		}
	}
}
