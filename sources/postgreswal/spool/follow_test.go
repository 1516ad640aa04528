package spool

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// TestReadersFollowTheWriter proves that readers in other goroutines get all transactions in order, across segments,
// rewinds and trims, while the writer goes on.
func TestReadersFollowTheWriter(t *testing.T) {
	const transactions, readers = 4000, 3
	s := mustOpen(t, t.TempDir(), 0)
	defer s.Close()
	s.segmentBytes = minSegmentBytes
	acked := make(chan int, 1) // by the slowest reader
	var mu sync.Mutex
	progress := make([]int, readers)
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			r := s.NewReader()
			defer r.Close()
			for last := 0; last < transactions; {
				before := last
				if last = readOn(t, r, last); last == before {
					select {
					case <-t.Context().Done():
						return
					default:
					}
				}
				mu.Lock()
				progress[i] = last
				slowest := min(progress[0], progress[1], progress[2])
				mu.Unlock()
				select {
				case <-acked:
				default:
				}
				select {
				case acked <- slowest:
				default:
				}
			}
		})
	}
	for n := 1; n <= transactions; n++ {
		appendTransactions(t, s, n, n)
		switch {
		case n%97 == 0:
			must(t, s.Rewind())
			n = int(s.End() / 1000)
		case n%10 == 0:
			must(t, s.Sync())
		}
		select {
		case at := <-acked:
			must(t, s.Trim(commitOf(at)))
		default:
		}
	}
	must(t, s.Sync())
	wg.Wait()
	must(t, s.Trim(commitOf(transactions)))
	if s.Size() > 2*minSegmentBytes {
		t.Errorf("the size is %d after all was trimmed", s.Size())
	}
}

// TestSegmentsBeginWithRelations proves that a reader which begins at any segment gets the latest version of each relation that
// was complete there, and a reader that goes on gets each message once.
func TestSegmentsBeginWithRelations(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, 0)
	s.segmentBytes = 1000
	want := map[uint64]string{}
	commit := uint64(0)
	end := func(n int) {
		commit += 10
		must(t, s.Append(Record{LSN: commit, Commit: commit, Data: fmt.Appendf(nil, "C %01000d", n)}))
	}
	for n := range 40 {
		data := relation(uint32(n%7), n)
		if n%5 == 0 {
			data[0] = 'Y'
		}
		must(t, s.Append(Record{LSN: commit + 1, Data: data}))
		if n%9 == 8 { // this version was never complete
			must(t, s.Sync())
			must(t, s.Rewind())
			continue
		}
		end(n)
		key, _ := relationKey(data)
		want[key] = string(data)
		if n%10 == 9 {
			must(t, s.Close())
			s = mustOpen(t, dir, 0)
			s.segmentBytes = 1000
		}
		end(-n) // it begins a new segment
		must(t, s.Sync())
		must(t, s.Trim(commit-10))
		r, got := s.NewReader(), map[uint64]string{}
		for {
			record, ok, err := r.Next()
			must(t, err)
			if !ok || record.LSN != 0 {
				break
			}
			key, ok := relationKey(record.Data)
			if _, twice := got[key]; !ok || twice {
				t.Fatalf("%q is carried, again %v", record.Data, twice)
			}
			got[key] = string(record.Data)
		}
		must(t, r.Close())
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after %d: got %v, want %v", n, got, want)
		}
	}
	must(t, s.Close())
	if list := mustList(t, dir); len(list) != 1 || filepath.Base(segmentPath(dir, list[0])) != fmt.Sprintf("%016X", commit-10) {
		t.Errorf("segments %X are there", list)
	}
}
