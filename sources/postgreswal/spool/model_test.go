package spool

import (
	"bytes"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// model is a spool as a list in memory.
type model struct {
	dir    string
	s      *Spool
	synced []Record // what is visible
	open   []Record // what was appended since
	commit uint64   // the last one in synced and open
	lsn    uint64

	reader  *Reader
	read    int // records of synced that the reader has returned
	trimmed int // records of synced that may be deleted
}

func (m *model) begin(t *rapid.T, dir string) {
	s, err := Open(dir, identity, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.segmentBytes = 300
	m.dir, m.s, m.reader, m.read = dir, s, s.NewReader(), -1
	if end := m.end(); s.End() != end {
		t.Fatalf("the end is %d and not %d", s.End(), end)
	}
}

func (m *model) end() uint64 {
	if len(m.synced) == 0 {
		return 0
	}
	return m.synced[len(m.synced)-1].Commit
}

func (m *model) drop() { m.open, m.commit = nil, m.end() }

// next compares the next record of the reader with the model, and reports whether there was one.
func (m *model) next(t *rapid.T) bool {
	for {
		got, ok, err := m.reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ok && got.LSN == 0 {
			continue // carried
		}
		if m.read < 0 { // the first one tells where the spool begins
			if !ok {
				if m.trimmed < len(m.synced) {
					t.Fatalf("nothing to read, and %d records were not trimmed", len(m.synced)-m.trimmed)
				}
				m.read = len(m.synced)
				return false
			}
			m.read = m.find(got.LSN)
			if m.read > m.trimmed {
				t.Fatalf("reading begins at record %d, and only %d were trimmed", m.read, m.trimmed)
			}
			if m.read > 0 && m.synced[m.read-1].Commit == 0 {
				t.Fatal("reading begins inside of a transaction")
			}
		}
		if ok && m.read < len(m.synced) && m.synced[m.read].LSN < got.LSN { // the reader was behind Trim
			skipped := m.find(got.LSN)
			if skipped > m.trimmed || m.synced[m.read-1].Commit == 0 || m.synced[skipped-1].Commit == 0 {
				t.Fatalf("the reader went on from %d to %d of %d", m.read, skipped, m.trimmed)
			}
			m.read = skipped
		}
		if !ok {
			if m.read < len(m.synced) && m.read < m.trimmed { // as above, and nothing is left
				m.read = m.trimmed
			}
			if m.read != len(m.synced) {
				t.Fatalf("caught up after %d of %d records", m.read, len(m.synced))
			}
			return false
		}
		if m.read == len(m.synced) {
			t.Fatalf("a record that is not visible: %d", got.LSN)
		}
		want := m.synced[m.read]
		if got.LSN != want.LSN || got.Commit != want.Commit || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("record %d is %+v, and not %+v", m.read, got, want)
		}
		m.read++
		return true
	}
}

func (m *model) find(lsn uint64) int {
	for i, r := range m.synced {
		if r.LSN == lsn {
			return i
		}
	}
	return len(m.synced)
}

// TestSpoolIsAList proves that any sequence of calls gives what a list would give.
func TestSpoolIsAList(t *testing.T) {
	temp := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{}
		dir, err := os.MkdirTemp(temp, "")
		if err != nil {
			t.Fatal(err)
		}
		m.begin(t, dir)
		defer func() { _ = m.reader.Close(); _ = m.s.Close(); _ = os.RemoveAll(dir) }()
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				m.lsn++
				r := Record{LSN: m.lsn, Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data")}
				if rapid.Bool().Draw(t, "commit") {
					m.commit += rapid.Uint64Range(1, 1000).Draw(t, "distance")
					r.Commit = m.commit
				}
				check(m.s.Append(r))
				m.open = append(m.open, r)
			},
			"sync": func(t *rapid.T) {
				check(m.s.Sync())
				for i := len(m.open); i > 0; i-- {
					if m.open[i-1].Commit != 0 {
						m.synced, m.open = append(m.synced, m.open[:i]...), append([]Record{}, m.open[i:]...)
						break
					}
				}
			},
			"rewind": func(t *rapid.T) {
				m.visible(t)
				check(m.s.Rewind())
				m.drop()
			},
			"read": func(t *rapid.T) {
				m.visible(t)
				for range rapid.IntRange(1, 20).Draw(t, "records") {
					if !m.next(t) {
						break
					}
				}
			},
			"another reader": func(t *rapid.T) {
				check(m.reader.Close())
				m.reader, m.read = m.s.NewReader(), -1
			},
			"trim": func(t *rapid.T) {
				m.visible(t)
				at := rapid.IntRange(0, len(m.synced)).Draw(t, "records")
				for at > 0 && m.synced[at-1].Commit == 0 {
					at--
				}
				if at > 0 {
					check(m.s.Trim(m.synced[at-1].Commit))
					m.trimmed = max(m.trimmed, at)
				}
			},
			"open again": func(t *rapid.T) {
				check(m.reader.Close())
				check(m.s.Close())
				for i := len(m.open); i > 0; i-- { // Close syncs
					if m.open[i-1].Commit != 0 {
						m.synced = append(m.synced, m.open[:i]...)
						break
					}
				}
				m.drop()
				m.begin(t, dir)
			},
			"clear": func(t *rapid.T) {
				check(m.s.Clear())
				m.synced, m.open, m.commit, m.read, m.trimmed = nil, nil, 0, -1, 0
			},
			"": func(t *rapid.T) {
				m.visible(t)
				if m.s.End() != m.end() || m.s.Size() < int64(segmentHeader) {
					t.Fatalf("size %d, end %d and not %d", m.s.Size(), m.s.End(), m.end())
				}
			},
		})
	})
}

// visible moves what a new segment has synced, which the spool decides.
func (m *model) visible(t *rapid.T) {
	for i := len(m.open); i > 0; i-- {
		if c := m.open[i-1].Commit; c != 0 && c == m.s.End() {
			m.synced, m.open = append(m.synced, m.open[:i]...), append([]Record{}, m.open[i:]...)
			return
		}
	}
}
