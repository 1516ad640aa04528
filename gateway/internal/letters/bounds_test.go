package letters

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestStoreBoundsLinesAsTheyAreWritten proves that a letter whose line is too large for the store is refused, and evicts no others.
func TestStoreBoundsLinesAsTheyAreWritten(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir(), MaxBytes: 1 << 20})
	s.add(t, numbered(1))
	long := strings.Repeat("\x01", 90_000) // six times as long in a line
	data, key, reason, attr := numbered(2), numbered(3), numbered(4), numbered(5)
	data.Data, key.Key, reason.Reason, attr.Attrs = Payload(long), long, long, map[string]string{"a": long}
	refused := make(chan error, 1)
	for _, l := range []Letter{data, key, reason, attr} {
		if err := s.Add(t.Context(), l, func(err error) { refused <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-refused; err == nil || !strings.Contains(err.Error(), "raise dead_letters.max_bytes") {
			t.Errorf("letter %s: %v", l.ID, err)
		}
	}
	if err := s.Add(t.Context(), data, nil); err != nil {
		t.Fatal(err)
	}
	data.Data = data.Data[:80_000]
	s.add(t, data)
	if st := s.Status(); st.Held != 2 || st.Evicted != 0 || st.Returned != 4 || st.Lost != 1 {
		t.Errorf("%+v", st)
	}
}

// TestStoreKeepsALetterThatItHasJustStored proves that eviction leaves the last letter, however large it is, and that a batch fills several segments.
func TestStoreKeepsALetterThatItHasJustStored(t *testing.T) {
	s := New(Options{Path: t.TempDir(), MaxBytes: 1 << 20}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	data := Payload(strings.Repeat("x", 50<<10))
	for n := range 40 { // before it is open, so that they are one batch
		l := numbered(n)
		l.Data = data
		if err := s.Add(t.Context(), l, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	s.Flush(time.Now().Add(time.Minute))
	got, st := s.search(t, Query{}), s.Status()
	if len(got) < 10 || got[len(got)-1] != 40 || st.Bytes > 1<<20 || st.Held+st.Evicted != 40 {
		t.Errorf("%v, %+v", got, st)
	}
	l := numbered(41)
	l.Data = Payload(strings.Repeat("x", 500<<10))
	for n := range 5 {
		s.add(t, l)
		if _, err := s.Get(uint64(41 + n)); err != nil {
			t.Errorf("letter %d: %v", 41+n, err)
		}
	}
}

// TestNumbersAreNotGivenAgain proves that numbers rise after a restart, whatever was removed, evicted or rewritten.
func TestNumbersAreNotGivenAgain(t *testing.T) {
	o := Options{Path: t.TempDir(), MaxBytes: 1 << 20}
	large := numbered(1)
	large.Data = Payload(strings.Repeat("x", 500<<10))
	s := openStore(t, o)
	next := uint64(1)
	for range 4 { // the last one is removed, and the next one makes the store rewrite or evict
		s.add(t, large, large)
		next += 2
		if _, err := s.Remove([]uint64{next - 1, next - 2}); err != nil {
			t.Fatal(err)
		}
		s.enforceMaxBytes()
		closeStore(t, s)
		s = openStore(t, o)
		s.add(t, numbered(1))
		if got := s.search(t, Query{}); len(got) == 0 || got[len(got)-1] != next {
			t.Fatalf("%v, want %d at the end", got, next)
		}
		next++
	}
	s.opts.MaxBytes = 1
	s.enforceMaxBytes()
	s.mu.Lock()
	last := s.segments[len(s.segments)-1]
	s.mu.Unlock()
	if _, err := s.Remove(s.search(t, Query{})); err != nil {
		t.Fatal(err)
	}
	s.enforceMaxBytes() // rewrites the last segment, which is empty then
	if st := s.Status(); st.Held != 0 || st.Bytes != 0 || last.size != 0 {
		t.Errorf("%+v", st)
	}
	closeStore(t, s)
	s = openStore(t, o)
	s.add(t, numbered(1))
	if got := s.search(t, Query{}); len(got) != 1 || got[0] != next {
		t.Errorf("%v, want %d", got, next)
	}
}
