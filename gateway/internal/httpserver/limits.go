package httpserver

import (
	"math"
	"syscall"
	"time"
)

// Limits bound what the clients of one Server may take.
type Limits struct {
	// Connections is how many may be open at the same time.
	Connections int
	// Reserve is how many may be open beyond Connections. They are for urgent
	// requests, each on a connection of its own that ends after reserveLife.
	Reserve int
	// PerAddress is how many may come from one IPv4 address, or from one /64
	// network of IPv6; 0 is no bound.
	PerAddress int

	Header time.Duration // until the header of a request is there
	Read   time.Duration // until the whole request is there
	Write  time.Duration // from a request's header until its answer is taken
	Idle   time.Duration // between two requests of a connection
}

const (
	maxHeader   = 32 << 10        // bytes of a request's header
	reserveLife = 5 * time.Second // of a connection in the reserve
)

// Descriptors returns how many files and connections this process may have open.
func Descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32 // there is no such bound here
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// Divide divides the descriptors of a process: a quarter, 32 to 1024, is for what the
// gateway opens itself, and a sixteenth, 8 to 64, for the reserve of each listener. The
// admin's listener, where there is one, gets as many again as its reserve. The shared
// one gets the rest.
func Divide(descriptors int, dedicated bool) (shared, admin Limits) {
	own := min(max(descriptors/4, 32), 1024)
	reserve := min(max(descriptors/16, 8), 64)
	rest := descriptors - own - reserve
	if dedicated {
		rest -= 2 * reserve
	}
	return Limits{Connections: max(rest, 1), Reserve: reserve}, Limits{Connections: reserve, Reserve: reserve}
}
