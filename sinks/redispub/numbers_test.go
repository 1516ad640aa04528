package redispub

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestNumbersOfSeveralPublishers proves that numbers are consecutive in channel order while two sinks publish and
// another program counts, so that the sinks expect the right counter at times, and a wrong one at others.
func TestNumbersOfSeveralPublishers(t *testing.T) {
	const sinks, batches, batch, others = 2, 100, 5, 50
	clean(t, "shared:seq")
	next := subscribe(t, "shared")
	var all sync.WaitGroup
	for name := range sinks {
		s := newSink(t, "shared", Sequence{Key: "shared:seq", Field: "n"})
		all.Go(func() {
			for b := range batches {
				var payloads []string
				for i := range batch {
					payloads = append(payloads, fmt.Sprintf(`{"s":%d,"i":%d,"text":"a:1}","o":{"n":7}}`, name, b*batch+i))
				}
				if err := s.Write(t.Context(), events(payloads...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	client := testenv.RedisClient(t)
	all.Go(func() {
		for range others {
			if err := client.Incr(t.Context(), "shared:seq").Err(); err != nil {
				t.Error(err)
			}
		}
	})
	last, skipped, sent := 0, 0, map[int]int{}
	for range sinks * batches * batch {
		text := next()
		var m struct{ S, I, N int }
		if err := json.Unmarshal([]byte(text), &m); err != nil || m.N <= last {
			t.Fatalf("%s after number %d: %v", text, last, err)
		}
		if want := fmt.Sprintf(`{"s":%d,"i":%d,"text":"a:1}","o":{"n":7},"n":%d}`, m.S, sent[m.S], m.N); text != want {
			t.Fatalf("got %s, want %s", text, want)
		}
		sent[m.S]++
		skipped += m.N - last - 1
		last = m.N
	}
	all.Wait()
	if counter, err := client.Get(t.Context(), "shared:seq").Int(); err != nil || counter != sinks*batches*batch+others || skipped > others {
		t.Errorf("counter %d, %d numbers skipped: %v", counter, skipped, err)
	}
}

// TestNumbersAfterTheFirstWrite proves that a sink numbers its messages itself, once it knows the counter, and again
// after another program has counted.
func TestNumbersAfterTheFirstWrite(t *testing.T) {
	clean(t, "known:seq")
	client := testenv.RedisClient(t)
	next := subscribe(t, "known")
	s := newSink(t, "known", Sequence{Key: "known:seq", Field: "n"})
	if err := client.Set(t.Context(), "known:seq", 41, 0).Err(); err != nil {
		t.Fatal(err)
	}
	write := func(want int64, payloads ...string) {
		t.Helper()
		if err := s.Write(t.Context(), events(payloads...)); err != nil {
			t.Fatal(err)
		}
		for i := range payloads {
			if got := next(); got != fmt.Sprintf(`{"a":":","n":%d}`, want+int64(i)) {
				t.Errorf("got %s, want number %d", got, want+int64(i))
			}
		}
		if known := want + int64(len(payloads)) - 1; s.counter != known {
			t.Errorf("the sink knows %d, want %d", s.counter, known)
		}
	}
	write(42, `{"a":":"}`, `{"a":":"}`)
	write(44, `{"a":":"}`)
	if err := client.IncrBy(t.Context(), "known:seq", 100).Err(); err != nil {
		t.Fatal(err)
	}
	write(145, `{"a":":"}`, `{"a":":"}`)
	write(147, `{"a":":"}`)
}
