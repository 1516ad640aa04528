package spool

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReadersFollowTheWriter proves that readers in other goroutines get all transactions in order, across segments,
// rewinds and trims, while the writer goes on.
func TestReadersFollowTheWriter(t *testing.T) {
	const transactions, readers = 3000, 3
	s := mustOpen(t, t.TempDir(), 0)
	defer s.Close()
	s.segmentBytes = minSegmentBytes
	var reading sync.WaitGroup
	var progress [readers]atomic.Int64 // transactions that were read
	var more [readers]chan struct{}
	for i := range readers {
		more[i] = make(chan struct{}, 1)
		reading.Go(func() {
			r := s.NewReader()
			defer r.Close()
			last := 0
			for range more[i] {
				last = readOn(t, r, last)
				progress[i].Store(int64(last))
			}
			if last = readOn(t, r, last); last != transactions {
				t.Errorf("reader %d has read %d transactions of %d", i, last, transactions)
			}
		})
	}
	n, rewound := 0, 0
	for n < transactions {
		n++
		appendTransactions(t, s, n, n)
		switch {
		case n/100 > rewound: // what was not synced is sent again
			rewound = n / 100
			must(t, s.Rewind())
			n = int(s.End() / 1000)
		case n%10 == 0:
			must(t, s.Sync())
		}
		for i := range more {
			select {
			case more[i] <- struct{}{}:
			default:
			}
		}
		slowest := min(progress[0].Load(), progress[1].Load(), progress[2].Load())
		must(t, s.Trim(commitOf(int(slowest))))
	}
	must(t, s.Sync())
	for i := range more {
		close(more[i])
	}
	reading.Wait()
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
