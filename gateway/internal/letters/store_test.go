package letters

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStoreFindsLetters proves that each condition finds the letters that it should, page by page, also after the store was opened again.
func TestStoreFindsLetters(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "letters")
	s := openStore(t, Options{Path: folder, MaxBytes: 1 << 20})
	var all []Letter
	for n := 1; n <= 500; n++ {
		all = append(all, numbered(n))
	}
	all[41].Data = Payload("\xff<x>")
	s.add(t, all...)
	for i := range all {
		all[i].Number = uint64(i + 1)
	}
	queries := map[string]Query{
		"all": {}, "component": {Component: "s2"}, "reason": {Reason: `"3"`}, "key": {Key: "k4"}, "id": {ID: "id77"}, "text": {Text: `"<12`}, "binary": {Text: "<x>"},
		"text of a reason": {Text: `status "1`}, "numbers": {Numbers: []uint64{400, 3, 3, 900}}, "before": {Before: 100, Key: "k0"}, "none": {Component: "s9"}, "until the latest": {Until: all[300].Time.Truncate(time.Millisecond)}, "since the first": {Since: all[200].Time.Truncate(time.Millisecond)},
		"since": {Since: time.Now().Add(-time.Hour)}, "until": {Until: time.Now().Add(-time.Hour)}, "both": {Component: "sink s1", Key: "k1", Reason: "2"},
	}
	check := func() {
		for name, q := range queries {
			var want []uint64
			for i := range all {
				if q.selects(all[i].Number) && q.matches(&all[i]) {
					want = append(want, all[i].Number)
				}
			}
			for _, limit := range []int{7, MaxLimit} {
				for _, q.NumbersOnly = range []bool{false, true} {
					q.Limit = limit
					if got := s.search(t, q); !slices.Equal(got, want) {
						t.Errorf("%s, pages of %d, only numbers %v: %d letters, want %d", name, limit, q.NumbersOnly, len(got), len(want))
					}
				}
			}
		}
	}
	check()
	if n, err := s.Remove([]uint64{1, 250, 250, 500, 999}); n != 3 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	all = slices.DeleteFunc(all, func(l Letter) bool { return l.Number == 1 || l.Number == 250 || l.Number == 500 })
	check()
	closeStore(t, s)
	s = openStore(t, Options{Path: folder, MaxBytes: 1 << 20})
	check()
	if _, err := s.Get(250); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed letter: %v", err)
	}
	got, err := s.Get(42)
	if err != nil || string(got.Data) != "\xff<x>" || got.Reason != all[40].Reason || !got.Time.Equal(all[40].Time) || got.Place != "sink shop" || got.AttemptID != "a1" {
		t.Errorf("%+v, %v", got, err)
	}
	s.add(t, numbered(501))
	if got := s.search(t, Query{ID: "id501"}); !slices.Equal(got, []uint64{501}) {
		t.Errorf("the next letter has the numbers %v", got)
	}
}

// TestStoreEvictsTheOldest proves that the folder stays below max_bytes, and that evicted letters are counted.
func TestStoreEvictsTheOldest(t *testing.T) {
	folder := t.TempDir()
	s := openStore(t, Options{Path: folder, MaxBytes: 1 << 20})
	for n := range 200 {
		l := numbered(n)
		l.Data = Payload(strings.Repeat("x", 20<<10))
		s.add(t, l)
	}
	st := s.Status()
	if st.Evicted == 0 || st.Held+st.Evicted != 200 || st.Bytes > 1<<20 {
		t.Errorf("%+v", st)
	}
	var size int64
	files, _ := filepath.Glob(filepath.Join(folder, "*"))
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		size += info.Size()
	}
	if size > 1<<20 {
		t.Errorf("%d bytes on the disk", size)
	}
	if got := s.search(t, Query{}); len(got) != int(st.Held) || got[len(got)-1] != 200 {
		t.Errorf("%d letters up to %d", len(got), got[len(got)-1])
	}
	huge := numbered(1)
	huge.Data = make(Payload, 1<<20)
	refused := make(chan error, 1)
	if err := s.Add(t.Context(), huge, func(err error) { refused <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "max_bytes") {
		t.Errorf("a letter larger than the store: %v", err)
	}
}

// TestStoreRewritesSegments proves that removed letters make room before others are evicted.
func TestStoreRewritesSegments(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir(), MaxBytes: 1 << 20})
	kept := 0
	for n := range 200 {
		l := numbered(n)
		l.Data = Payload(strings.Repeat("x", 20<<10))
		s.add(t, l)
		if n%10 != 0 {
			if _, err := s.Remove([]uint64{uint64(n + 1)}); err != nil {
				t.Fatal(err)
			}
		} else {
			kept++
		}
	}
	if st := s.Status(); st.Evicted != 0 || int(st.Held) != kept || len(s.search(t, Query{})) != kept || st.Bytes > 1<<20 {
		t.Errorf("%+v, want %d held", st, kept)
	}
}

// TestStoreExpires proves that letters older than max_age expire, and are counted.
func TestStoreExpires(t *testing.T) {
	folder := t.TempDir()
	s := openStore(t, Options{Path: folder})
	old := numbered(1)
	old.Time = time.Now().Add(-time.Hour)
	s.add(t, old, numbered(2))
	closeStore(t, s)
	s = New(Options{Path: folder, MaxBytes: 1 << 20, MaxAge: time.Minute}, slog.New(slog.DiscardHandler))
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	s.add(t, numbered(3)) // the writer has expired letters before it writes
	if got, st := s.search(t, Query{}), s.Status(); !slices.Equal(got, []uint64{2, 3}) || st.Expired != 1 {
		t.Errorf("%v, %+v", got, st)
	}
}

// TestStoreBelongsToOneProcess proves that only one store has a folder open at a time.
func TestStoreBelongsToOneProcess(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir()})
	err := New(s.opts, s.log).Open()
	if err == nil || !strings.Contains(err.Error(), "another process has locked the folder") {
		t.Errorf("%v", err)
	}
}

// TestStoreReturnsLettersWithoutDisk proves that letters that cannot be written are returned to their sources, and that the others stay in memory until they are written.
func TestStoreReturnsLettersWithoutDisk(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir()})
	s.add(t, numbered(1))
	s.mu.Lock()
	_ = s.segments[0].file.Close() // as a disk that has gone
	folder := s.folder
	s.folder = filepath.Join(folder, "nothing", "here")
	s.mu.Unlock()
	returned := make(chan error, 2)
	for n := range 2 { // the first breaks the segment, the second finds no folder for another
		if err := s.Add(t.Context(), numbered(n), func(err error) { returned <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-returned; err == nil {
			t.Error("a letter counts as stored, and there is no disk")
		}
	}
	if err := s.Add(t.Context(), numbered(7), nil); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.Returned != 2 || st.Pending != 1 || st.Error == "" {
		t.Errorf("%+v", st)
	}
	s.mu.Lock()
	s.folder = folder
	s.mu.Unlock()
	s.addUntilStored(t)
	if got := s.search(t, Query{ID: "id7"}); len(got) != 1 {
		t.Errorf("the letter that waited: %v, %+v", got, s.Status())
	}
}

// TestIncompleteLineIsCutOff proves that the incomplete line that a kill -9 within a write leaves damages no letter.
func TestIncompleteLineIsCutOff(t *testing.T) {
	folder := t.TempDir()
	s := openStore(t, Options{Path: folder})
	s.add(t, numbered(1))
	closeStore(t, s)
	path := segmentPath(folder, 1)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("not a letter\n{\"half\":"); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+removedSuffix, []byte("\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, Options{Path: folder})
	s.add(t, numbered(2))
	if n, err := s.Remove([]uint64{1}); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	closeStore(t, s)
	s = openStore(t, Options{Path: folder})
	if got := s.search(t, Query{}); !slices.Equal(got, []uint64{2}) {
		t.Errorf("%v", got)
	}
}
