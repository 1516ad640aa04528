package main

import (
	"slices"
	"testing"

	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// TestKilledPublisherPublishesGap proves that, after a kill of the publisher of the default configuration, its
// next run or the standby publishes a gap before its first event. A subscriber of the channel of events only, such
// as an old consumer, gets events only.
func TestKilledPublisherPublishesGap(t *testing.T) {
	out := collectPublished(t) // fails on anything but events
	all := testenv.RedisClient(t).Subscribe(t.Context(), "orders_updates", redisconn.GapChannel("orders_updates"))
	for range 2 {
		if _, err := all.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	got := make(chan bool, 1_000_000) // whether each message is a gap
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			msg, err := all.ReceiveMessage(t.Context())
			if err != nil {
				return
			}

			got <- redisconn.IsGapChannel(msg.Channel)
		}
	}()
	orders, stop := startWriter(t)
	begin := func() *program {
		p := startBinary(t, realServers(t), "-c", absolute(t, "gateway.yaml"), "--route", "publish")
		p.awaitReady()
		return p
	}
	p := begin()
	p.awaitLeading()
	kill := func(p *program) {
		t.Helper()
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.exit(testenv.Wait)
	}
	out.await(t, orders.committed()+1, testenv.Wait)
	kill(p)
	p = begin() // a restart
	p.awaitLeading()
	out.await(t, orders.committed()+1, testenv.Wait)
	standby := begin()
	kill(p) // a takeover
	standby.awaitLeading()
	out.await(t, orders.committed()+1, testenv.Wait)
	stop()
	out.await(t, orders.committed(), testenv.Wait)
	all.Close()
	<-done
	close(got)

	var gaps []int // behind how many events
	events := 0
	for gap := range got {
		if gap {
			gaps = append(gaps, events)
		} else {
			events++
		}
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	missing := 0
	for i := 1; i < len(out.orders); i++ {
		if n := out.orders[i] - out.orders[i-1] - 1; n > 0 {
			missing += n
			if !slices.Contains(gaps, i) {
				t.Errorf("%d orders are missing behind %d events, gaps are behind %v", n, i, gaps)
			}
		}
	}
	if missing == 0 || len(gaps) != 3 || gaps[0] != 0 {
		t.Errorf("%d orders are missing, gaps behind %v of %d events", missing, gaps, events)
	}
	t.Logf("%d orders are missing, gaps are behind %v of %d events", missing, gaps, events)
}
