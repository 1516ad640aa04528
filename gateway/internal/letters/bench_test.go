package letters

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"
)

// million is the number of letters in the store that is searched.
const million = 1_000_000

// BenchmarkStore measures what docs/decisions has: go test -run xxx -bench Store -benchtime 1x ./gateway/internal/letters
func BenchmarkStore(b *testing.B) {
	o := Options{Path: b.TempDir(), MaxBytes: 4 << 30}
	s := New(o, slog.New(slog.DiscardHandler))
	if err := s.Open(); err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	add := func(n int) {
		all.Add(1)
		l := numbered(n)
		l.Data = fmt.Appendf(nil, `{"operation":"INSERT","order":{"id":%d,"amount":%d,"customer":"c%d"}}`, n, n%500, n%50000)
		if err := s.Add(b.Context(), l, func(error) { all.Done() }); err != nil {
			b.Fatal(err)
		}
	}
	begin := time.Now()
	for n := range 1000 {
		add(n)
		all.Wait()
	}
	b.ReportMetric(1000/time.Since(begin).Seconds(), "one_by_one/s")
	begin = time.Now()
	for n := 1000; n < million; n++ {
		add(n)
	}
	all.Wait()
	b.ReportMetric(million/time.Since(begin).Seconds(), "together/s")
	b.ReportMetric(float64(s.Status().Bytes)/million, "bytes/letter")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin = time.Now()
	s = New(o, slog.New(slog.DiscardHandler))
	if err := s.Open(); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportMetric(time.Since(begin).Seconds()*1000, "open_ms")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "heap_bytes/letter")
	for name, q := range map[string]Query{"id": {ID: "id77"}, "component": {Component: "s2"}, "text_rare": {Text: `"id":4321,`}, "text_none": {Text: "nowhere"}, "reason": {Reason: `"9"`}} {
		q.Budget = time.Minute
		begin := time.Now()
		if _, err := s.Search(b.Context(), q); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, name+"_ms")
	}
}
