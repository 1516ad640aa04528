package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const identity = "server 7 database 5 slot gateway"

func mustOpen(t testing.TB, dir string, maxBytes int64) *Spool {
	t.Helper()
	s, err := Open(dir, identity, maxBytes)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// commitOf is the commit of transaction n. All tests append the transactions 1, 2, 3 ...
func commitOf(n int) uint64 { return uint64(n) * 1000 }

// transaction returns the records of transaction n: always the same ones, mostly small, a few larger than all buffers.
func transaction(n int) (records []Record) {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	add := func(data []byte) {
		records = append(records, Record{LSN: commitOf(n) - 500 + uint64(len(records)), Data: data})
	}
	add(fmt.Appendf(nil, "B begin %d", n))
	if random.IntN(4) == 0 {
		add(relation(uint32(random.IntN(3)), n))
	}
	for range random.IntN(6) {
		size := random.IntN(300)
		if random.IntN(200) == 0 {
			size = 3 * bufferBytes
		}
		add(append([]byte("I"), bytes.Repeat([]byte{byte(n)}, size)...))
	}
	if random.IntN(20) == 0 {
		add(nil)
	}
	add(fmt.Appendf(nil, "C commit %d", n))
	records[len(records)-1].Commit = commitOf(n)
	return records
}

// relation returns a relation message.
func relation(oid uint32, version int) []byte {
	return fmt.Appendf(binary.BigEndian.AppendUint32([]byte("R"), oid), "version %d", version)
}

// appendTransactions appends the transactions from to to.
func appendTransactions(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		for _, r := range transaction(n) {
			must(t, s.Append(r))
		}
	}
}

// readTransactions reads all that is visible with a new reader, and returns the first and the last transaction. It proves that
// the records between them are exactly those that were appended, and that only relations come before them.
func readTransactions(t testing.TB, s *Spool) (first, last int) {
	t.Helper()
	r := s.NewReader()
	defer r.Close()
	first = 1 + int(s.Begin()/1000)
	last = readOn(t, r, first-1)
	if end := int(s.End() / 1000); last != end {
		t.Fatalf("read up to transaction %d, and the end is %d", last, end)
	}
	return first, last
}

// readOn reads what a reader has not read, behind transaction last. It returns the last transaction that was read.
func readOn(t testing.TB, r *Reader, last int) int {
	t.Helper()
	for {
		got, ok, err := r.Next()
		must(t, err)
		if !ok {
			return last
		}
		if got.LSN == 0 {
			if _, ok := relationKey(got.Data); !ok {
				t.Fatalf("a carried record %q", got.Data)
			}
			continue
		}
		last++
		for i, want := range transaction(last) {
			if i > 0 {
				got, ok, err = r.Next()
			}
			if err != nil || !ok || got.LSN != want.LSN || got.Commit != want.Commit || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("record %d of transaction %d: got %d %d %.40q (%v, %v), appended %d %d %.40q", i, last, got.LSN, got.Commit, got.Data, ok, err, want.LSN, want.Commit, want.Data)
			}
		}
	}
}
