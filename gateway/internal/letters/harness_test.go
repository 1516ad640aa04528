package letters

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openStore opens the store of a folder. When the test ends, it is closed, and no letter is left out without a count.
func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	s := New(o, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	st := s.Status()
	if st.In != st.Stored+st.Returned+st.Lost+st.Pending || st.Stored+st.Found != st.Held+st.Removed+st.Evicted+st.Expired {
		t.Errorf("not conserved: %+v", st)
	}
}

// numbered returns a letter with n in all that is searched.
func numbered(n int) Letter {
	l := letterOf(&event.Event{ID: fmt.Sprint("id", n), Source: "s", Channel: "c", Key: fmt.Sprint("k", n%7), Time: time.Unix(1, 0).UTC(), Data: fmt.Appendf(nil, `{"n":"<%d>"}`, n)})
	l.Component, l.Reason = fmt.Sprint("sink s", n%3), fmt.Sprintf("status \"%d\"", n%5)
	return l
}

// add adds letters and waits until they are on the disk.
func (s *Store) add(t testing.TB, letters ...Letter) {
	t.Helper()
	var all sync.WaitGroup
	for _, l := range letters {
		all.Add(1)
		if err := s.Add(t.Context(), l, func(err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		}); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// addUntilStored adds a letter until it is stored, and so waits until the disk works again.
func (s *Store) addUntilStored(t *testing.T) {
	for {
		stored := make(chan error, 1)
		if err := s.Add(t.Context(), numbered(8), func(err error) { stored <- err }); err != nil {
			t.Fatal(err)
		}
		if <-stored == nil {
			return
		}
	}
}

func (s *Store) search(t testing.TB, q Query) (numbers []uint64) {
	t.Helper()
	for {
		p, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		found := []uint64{}
		for _, l := range p.Letters {
			found = append(found, l.Number)
		}
		numbers = append(found, numbers...)
		if q.Before = p.Next; p.Next == 0 {
			return numbers
		}
	}
}
