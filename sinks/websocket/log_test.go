package websocket

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestReadersSeeLogAsWritten: readers that begin anywhere while the log grows see every later frame, once and in
// order, and count them correctly.
func TestReadersSeeLogAsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 2*chunkSize)), 1, 60).Draw(rt, "sizes")
		begin := rapid.IntRange(0, len(sizes)).Draw(rt, "begin")
		l := newLog()
		var whole []byte
		var readers sync.WaitGroup
		done := make(chan struct{})
		for i := range len(sizes) + 1 {
			if i == begin {
				p, offset := l.endPosition(), len(whole)
				readers.Go(func() {
					var got []byte
					end := p
					for ended := false; ; {
						frames, next := end.unread()
						got = append(got, frames...)
						end = next
						if frames == nil {
							if ended {
								break
							}
							select {
							case <-done:
								ended = true
							default:
							}
						}
					}
					if !bytes.Equal(got, whole[offset:]) {
						t.Errorf("a reader from message %d saw %d bytes, want %d", begin, len(got), len(whole)-offset)
					}
					if end.messages != uint64(len(sizes)) || end.bytes != uint64(len(whole)) {
						t.Errorf("a reader counts %d messages and %d bytes, want %d and %d", end.messages, end.bytes, len(sizes), len(whole))
					}
				})
			}
			if i < len(sizes) {
				payload := bytes.Repeat([]byte{byte(i)}, sizes[i])
				l.append(opBinary, payload, time.Now())
				whole = appendFrame(whole, opBinary, payload)
				if i%3 == 0 || i == len(sizes)-1 || i+1 == begin {
					l.publish()
				}
			}
		}
		close(done)
		readers.Wait()
	})
}
