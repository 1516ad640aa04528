package websocket

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/options"
)

// TestReconnectStorm: clients that are disconnected again and again while events come miss no message, and get none twice.
func TestReconnectStorm(t *testing.T) {
	clients, drops := countFromEnv("STORM_CLIENTS", 30), countFromEnv("STORM_DROPS", 10)
	s, server := newSink(t, func(o *Options) { o.History.Events = 50_000; o.History.Age = options.Duration(time.Hour) }, httptest.NewServer)
	stop, written := make(chan struct{}), make(chan int, 1)
	go func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		n := 0
		for {
			select {
			case <-stop:
				written <- n
				return
			case <-pace.C:
				s.send(t, orders(n, 10)...) // 2,000 a second
				n += 10
			}
		}
	}()
	var following sync.WaitGroup
	errs := make(chan error, clients)
	for i := range clients {
		following.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			modulus := 1 + i%4
			query := url.Values{}
			if modulus > 1 {
				query.Set("filter", fmt.Sprintf("n %% %d == 0", modulus))
			}
			f := dialProtocol(t, server, query)
			for range drops {
				for range 1 + rnd.IntN(200) {
					if err := f.read(); err != nil {
						errs <- err
						return
					}
				}
				f.conn.Close()
				time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond) // disconnected
				f.connect()
				f.wantRecovered(true)
			}
			last := -1
			for _, msg := range f.got {
				var m struct{ N int }
				if err := json.Unmarshal([]byte(msg), &m); err != nil || m.N%modulus != 0 || last >= 0 && m.N != last+modulus {
					errs <- fmt.Errorf("client %d: %s after %d, %v", i, msg, last, err)
					return
				}
				last = m.N
			}
			f.conn.Close()
		})
	}
	following.Wait()
	close(stop)
	t.Logf("%d events", <-written)
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// countFromEnv returns the size of a test: the environment variable, or a small default.
func countFromEnv(variable string, few int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return few
}
