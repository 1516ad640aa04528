package letters

import (
	"bytes"
	"testing"
	"time"
)

// TestSearchShowsNothingHidden proves that a search which runs out of time continues at the same letter, whether hidden text matches or not, and
// that hidden text is not found.
func TestSearchShowsNothingHidden(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir()})
	var all []Letter
	for n := range 20 {
		l := numbered(n)
		l.Data = Payload(`{"card":"none"}`)
		if n == 4 {
			l.Data, l.Reason = Payload(`{"card":"4711"}`), "refused 4711"
		}
		all = append(all, l)
	}
	s.add(t, all...)
	hide := func(l *Letter) {
		l.Data, l.Reason = bytes.ReplaceAll(l.Data, []byte("4711"), []byte("***")), "hidden"
	}
	for _, q := range []Query{{Text: "4711"}, {Text: "4712"}, {Reason: "4711"}, {Reason: "4712"}, {Text: "***"}} {
		want := 0
		if q.Text == "***" {
			want = 1
		}
		q.Hide = hide
		if got := s.search(t, q); len(got) != want {
			t.Errorf("%+v found %v", q, got)
		}
		seen := 0
		q.Hide = func(l *Letter) { // every letter is examined, and the time is up after the third one
			if hide(l); seen == 2 {
				time.Sleep(q.Budget)
			}
			seen++
		}
		q.Before, q.Budget = 11, 20*time.Millisecond
		p, err := s.Search(t.Context(), q)
		if err != nil || p.Next < 8 {
			t.Errorf("%+v continues at %d after %d letters, %v", q, p.Next, seen, err)
		}
	}
}
