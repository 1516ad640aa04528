package testenv

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// TestFreePortsDiffer proves that concurrent calls return different ports, and that outgoing connections use none of
// them.
func TestFreePortsDiffer(t *testing.T) {
	const askers, each = 8, 50
	ports := make(chan int, askers*each)
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			for range each {
				ports <- FreePort(t)
			}
		})
	}
	all.Wait()
	close(ports)
	seen := map[int]bool{}
	for port := range ports {
		if seen[port] {
			t.Errorf("port %d twice", port)
		}
		seen[port] = true
	}
	if len(seen) != askers*each {
		t.Errorf("%d ports", len(seen))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if n, _ := strconv.Atoi(port); n >= firstPort && n < lastPort {
		t.Errorf("the system uses port %d for outgoing connections: move the range", n)
	}
}
