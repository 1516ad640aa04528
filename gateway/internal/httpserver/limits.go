package httpserver

import (
	"math"
	"syscall"
	"time"
)

// Limits bound the connections and requests of the clients of one Server.
type Limits struct {
	// Connections is the number of connections that may be open at the same time.
	Connections int
	// Reserve is the number of connections beyond Connections. Each serves one urgent
	// request, and ends after reserveLife.
	Reserve int
	// PerAddress is the number of connections from one IPv4 address, or from one /64
	// network of IPv6; 0 is no bound.
	PerAddress int

	Header time.Duration // until the header of a request is complete
	Read   time.Duration // until the whole request is complete
	Write  time.Duration // from a request's header until its answer is written
	Idle   time.Duration // between two requests of a connection
}

const (
	maxHeader   = 32 << 10        // bytes of a request's header
	reserveLife = 5 * time.Second // of a connection in the reserve
)

// Descriptors returns the number of files and connections that this process may have open.
func Descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32 // this system has no such limit
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// Divide divides the descriptors of a process: a quarter, 32 to 1024, is for the files and
// connections of the gateway itself, and a sixteenth, 8 to 64, for the reserve of each
// listener. The admin listener, if there is one, gets as many connections as its reserve. The
// shared one gets the rest.
func Divide(descriptors int, adminListener bool) (shared, admin Limits) {
	own := min(max(descriptors/4, 32), 1024)
	reserve := min(max(descriptors/16, 8), 64)
	rest := descriptors - own - reserve
	if adminListener {
		rest -= 2 * reserve
	}
	return Limits{Connections: max(rest, 1), Reserve: reserve}, Limits{Connections: reserve, Reserve: reserve}
}
