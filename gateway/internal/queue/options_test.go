package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// TestPutsThatBlockLookAtNewOptions, each of them: how long it may block, and whether its event fits now.
func TestPutsThatBlockLookAtNewOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Size: 10, Bytes: 1 << 10, WhenFull: WhenFullBlock, MaxBlock: options.Duration(time.Hour)}
		q := New(Config{Options: o})
		begin := time.Now()
		put := func(bytes int) chan time.Duration {
			took := make(chan time.Duration, 1)
			go func() {
				if err := q.Put(t.Context(), []*event.Event{{Data: make([]byte, bytes)}}, nil); err != nil {
					t.Error(err)
				}
				took <- time.Since(begin)
			}()
			synctest.Wait()
			return took
		}
		<-put(700)
		large, small := put(4000), put(700)
		time.Sleep(time.Second)
		o.Bytes = 2 << 10
		q.SetOptions(o)
		synctest.Wait()
		if len(large) != 0 || len(small) != 1 || <-small != time.Second {
			t.Error("what fits now still waits, or what does not fit does not")
		}
		time.Sleep(time.Second)
		o.MaxBlock = options.Duration(5 * time.Second)
		q.SetOptions(o)
		if took := <-large; took != 5*time.Second {
			t.Errorf("it blocks for %v", took)
		}
	})
}
