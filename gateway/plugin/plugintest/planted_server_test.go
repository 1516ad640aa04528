package plugintest

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"testing"
)

// lineServer sends lines to connections that listen. Connections that read the log get stored lines, too.
type lineServer struct {
	addr string

	mu          sync.Mutex
	more        *sync.Cond
	conns       map[net.Conn]bool // open connections; true for those that listen
	log         []string
	acked       int
	generations int
	ended       bool
	// leaders has the lock of each name; term is the last term.
	leaders map[string]*serverLock
	term    int64
}

func newLineServer(t testing.TB) *lineServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &lineServer{addr: l.Addr().String(), conns: map[net.Conn]bool{}, leaders: map[string]*serverLock{}}
	s.more = sync.NewCond(&s.mu)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		s.ended = true
		s.more.Broadcast()
		s.mu.Unlock()
		s.cut()
	})
	return s
}

func (s *lineServer) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	if !in.Scan() {
		return
	}
	mode := in.Text()
	s.mu.Lock()
	s.conns[conn] = mode == "listen"
	next := s.acked
	fmt.Fprintln(conn, "hello")
	s.mu.Unlock()
	gone := false
	go func() {
		for in.Scan() { // until the connection is closed
		}
		s.mu.Lock()
		gone = true
		delete(s.conns, conn)
		s.more.Broadcast()
		s.mu.Unlock()
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !gone && !s.ended {
		for mode == "log" && next < len(s.log) {
			fmt.Fprintf(conn, "%d %s\n", next, s.log[next])
			next++
		}
		s.more.Wait()
	}
}

func (s *lineServer) send(payloads ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range payloads {
		s.log = append(s.log, p)
		for conn, listens := range s.conns {
			if listens {
				fmt.Fprintln(conn, p)
			}
		}
	}
	s.more.Broadcast()
}

// generation returns the number of the log. After a reset, acks of earlier generations are ignored.
func (s *lineServer) generation() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generations
}

func (s *lineServer) ack(generation, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generations == generation {
		s.acked = max(s.acked, n)
	}
}

func (s *lineServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *lineServer) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.acked = nil, 0
	s.generations++
}
