package settle

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// notes is an owner that notes what it is told.
type notes struct {
	mu      sync.Mutex
	settled []error
	tried   []int
}

func (n *notes) Settled(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled = append(n.settled, err)
}

func (n *notes) AttemptFailed(attempts int, _ time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tried = append(n.tried, attempts)
}

func TestFirstCallCounts(t *testing.T) {
	n, lost := &notes{}, errors.New("lost")
	var a Ack
	a.Init(n, nil)
	a.AttemptFailed(3, time.Now())
	a.Settle(lost)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { a.Settle(nil); a.AttemptFailed(4, time.Now()) })
	}
	all.Wait()
	if len(n.settled) != 1 || n.settled[0] != lost || len(n.tried) != 1 {
		t.Errorf("settled %v, tried %v", n.settled, n.tried)
	}
}

// TestNobodysAck: an Ack that no source has made can be settled, too.
func TestNobodysAck(t *testing.T) {
	var none *Ack
	for _, a := range []*Ack{none, {}} {
		a.Settle(nil)
		a.AttemptFailed(1, time.Now())
	}
	if (&Ack{}).Redelivery().Any() || (&Ack{}).Redelivery().Check("k", true) != nil {
		t.Error("it keeps an order")
	}
	(&Ack{}).Redelivery().Add("k", false, errors.New("lost"))
}

func TestOrder(t *testing.T) {
	lost := errors.New("lost")
	o := &Redelivery{}
	if o.Any() || o.Check("k", true) != nil {
		t.Error("at first something comes again")
	}
	o.Add("k", false, lost)
	o.Add("l", false, errors.New("later"))
	for _, tc := range []struct {
		key   string
		joins bool
		want  bool
	}{{"k", false, true}, {"l", false, true}, {"x", false, false}, {"x", true, true}} {
		if err := o.Check(tc.key, tc.joins); (err != nil) != tc.want || tc.want && !errors.Is(err, lost) {
			t.Errorf("%s, joins %v: %v", tc.key, tc.joins, err)
		}
	}
	if err := o.Check("k", false); !strings.Contains(err.Error(), "given back: lost") {
		t.Error(err)
	}
	o.Add("j", true, lost)
	if o.Check("x", false) == nil {
		t.Error("nothing is behind one that joins keys")
	}
}

// TestOrderOfTheNextRun knows what comes again of the Run before from then on, and nothing before.
func TestOrderOfTheNextRun(t *testing.T) {
	lost := errors.New("lost")
	first := &Redelivery{}
	first.Add("before", false, lost)
	second := first.Next()
	if second.Any() {
		t.Error("it knows what the next Run emits again")
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
				t.Errorf("%s is not known", key)
			}
		}
		if n != len(keys) {
			t.Errorf("%d keys, want %q", n, keys)
		}
	}
}
