package pgverify

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// heapSize returns the bytes in use.
func heapSize() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Bounds of the memory of a key in bytes, beside its text: the help promises them.
const (
	bytesPerKey       = 70
	bytesPerDifferent = 90
)

// TestKeyTableMemory proves how much memory a key takes, also where all rows differ.
func TestKeyTableMemory(t *testing.T) {
	const keys, length = 200_000, 20
	before := heapSize()
	table := newKeyTable()
	for n := range keys {
		if got := table.add(fmt.Appendf(nil, "%0*d", length, n)); got != n {
			t.Fatalf("key %d has the number %d", n, got)
		}
	}
	perKey := float64(heapSize()-before)/keys - length
	for n := range keys {
		table.setExpected(n, rowHash{1})
	}
	perDifferent := float64(heapSize()-before)/keys - length
	if perKey > bytesPerKey || perDifferent > bytesPerDifferent {
		t.Errorf("a key takes %.1f bytes, and %.1f where rows differ", perKey, perDifferent)
	}
	t.Logf("a key takes %.1f bytes, and %.1f where rows differ", perKey, perDifferent)
	runtime.KeepAlive(table)
}

// TestComparisonMemory proves that no rows stay in memory: of 20,000 that were received and compared, only their keys do.
func TestComparisonMemory(t *testing.T) {
	const keys = 20_000
	row := func(n int) []byte {
		return fmt.Appendf(nil, `{"id":%010d,"text":"%s"}`, n+1_000_000_000, strings.Repeat("x", 500))
	}
	before := heapSize()
	c := newComparison(newChangeReader("public.orders", "order", testKey[:1]))
	for range 2 {
		for n := range keys {
			if err := c.receive(item{line: []byte(envelope(outboxID(n), order("INSERT", string(row(n)))))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range keys {
		c.compare(fmt.Append(nil, n+1_000_000_000), row(n))
	}
	perKey := float64(heapSize()-before)/keys - 10
	if c.open != 0 || c.counts.Events != 2*keys || c.counts.Repeats != keys {
		t.Fatalf("%d differ, %+v", c.open, c.counts)
	}
	if perKey > bytesPerKey+5 { // with the scratch space, which does not grow
		t.Errorf("a key takes %.1f bytes", perKey)
	}
	t.Logf("a key takes %.1f bytes", perKey)
	runtime.KeepAlive(c)
}

// TestKeyTableKeepsKeysApart proves that keys of any length and content are found, and nothing else is.
func TestKeyTableKeepsKeysApart(t *testing.T) {
	table := newKeyTable()
	var keys []string
	for _, length := range []int{0, 1, 127, 128, textsBlock - 1, textsBlock, textsBlock + 1, 1 << 20} {
		keys = append(keys, strings.Repeat("k", length), strings.Repeat("\x00", length+1))
	}
	for n := range 50_000 {
		keys = append(keys, fmt.Sprint("key ", n))
	}
	for n, key := range keys {
		if table.find([]byte(key)) >= 0 {
			t.Fatalf("the key %.20q is there before it was added", key)
		}
		table.at(table.add([]byte(key))).number = uint64(n)
	}
	for n, key := range keys {
		at := table.find([]byte(key))
		if at < 0 || table.at(at).number != uint64(n) || string(table.text(at)) != key || table.add([]byte(key)) != at {
			t.Fatalf("the key %.20q has the number %d", key, at)
		}
	}
}
