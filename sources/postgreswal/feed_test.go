package postgreswal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"eventgateway/sources/postgreswal/spool"
)

// transactionMessages returns the messages of transaction n, with so many changes. It ends at the LSN 100 * n.
func transactionMessages(n, changes int) (messages []message) {
	begin := binary.BigEndian.AppendUint64([]byte("B"), uint64(100*n-10))
	messages = append(messages, message{data: append(begin, make([]byte, 12)...)})
	for i := range changes {
		messages = append(messages, message{data: fmt.Appendf(nil, "I%d/%d", n, i)})
	}
	commit := binary.BigEndian.AppendUint64([]byte("C\x00"), uint64(100*n-10))
	commit = binary.BigEndian.AppendUint64(commit, uint64(100*n))
	return append(messages, message{data: append(commit, make([]byte, 8)...)})
}

func openTestSpool(t testing.TB) *spool.Spool {
	t.Helper()
	sp, err := spool.Open(t.TempDir(), "test", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sp.Close() })
	return sp
}

// fakeServer sends transactions into a feed as a stream would, and plays the part of the monitor.
type fakeServer struct {
	t      *testing.T
	feed   *feed
	random *rand.Rand
	d      destination
	rest   []message // of the transaction that is being sent
	next   int       // the transaction after it
	high   int       // the highest one so far
	acked  int       // transactions
	last   position  // that was read
	lsn    uint64    // of the transaction that is being read
	index  int64
}

func (s *fakeServer) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// send sends some messages.
func (s *fakeServer) send(n int) {
	for range n {
		if len(s.rest) == 0 {
			if s.random.IntN(5) == 0 {
				s.must(s.d.put(s.t.Context(), message{lsn: uint64(100*s.next - 50)}))
			}
			s.rest = transactionMessages(s.next, 1+s.next%4)
			s.next++
			s.high = max(s.high, s.next)
		}
		s.must(s.d.put(s.t.Context(), s.rest[0]))
		s.rest = s.rest[1:]
	}
}

// restart sends again what was committed after what is acked and spooled.
func (s *fakeServer) restart(d destination) {
	s.d, s.rest, s.next = d, nil, max(s.acked, int(s.feed.spool.End()/100))+1
}

// read reads as the reader does, and checks that nothing is missing.
func (s *fakeServer) read() (n int) {
	messages, err := s.feed.take(nil)
	s.must(err)
	for _, m := range messages {
		switch {
		case m.isKeepalive():
		case m.data[0] == 'B':
			s.lsn, s.index = binary.BigEndian.Uint64(m.data[1:]), 0
		case m.data[0] == 'C':
			if s.lsn == s.last.lsn && int(s.index) != 1+int((s.lsn+10)/100)%4 {
				s.t.Fatalf("transaction %d has %d changes", s.lsn, s.index)
			}
		default:
			s.index++
			at := position{s.lsn, s.index}
			if at.compare(s.last) <= 0 {
				continue
			}
			next := position{s.last.lsn + 100, 1} // unless the transaction goes on
			if s.last.lsn == 0 {
				next.lsn = 90
			}
			if at != next && at != (position{s.last.lsn, s.last.index + 1}) {
				s.t.Fatalf("%v follows %v", at, s.last)
			}
			s.last = at
		}
	}
	return len(messages)
}

// TestFeedLosesNothing proves that the reader gets each change, in order, while the stream goes through the spool and back at any
// moment, and fails at any moment while it is spooled.
func TestFeedLosesNothing(t *testing.T) {
	for seed := range uint64(30) {
		sp := openTestSpool(t)
		f := newFeed(sp)
		s := &fakeServer{t: t, feed: f, random: rand.New(rand.NewPCG(seed, 1)), next: 1}
		direct := f.newPipe()
		f.current = direct
		f.connected(nil, direct)
		s.d = direct
		var spooling *spooler
		switches := 0
		for range 400 {
			switch s.random.IntN(8) {
			case 0: // spool, or spool again after a failure
				f.disconnect(errSpooled)
				f.fail(nil)
				s.must(sp.Rewind())
				spooling = newSpooler(f)
				f.connected(nil, nil)
				s.restart(spooling)
				switches++
			case 1:
				if spooling != nil {
					spooling.end(s.random.IntN(2) == 0)
				}
			case 2, 3:
				if spooling != nil {
					s.must(spooling.sync())
				}
			case 4:
				s.acked = max(s.acked, int((s.last.lsn+10)/100)-1)
			case 5:
				s.read()
			default:
				s.send(s.random.IntN(12))
			}
		}
		for s.next < s.high {
			s.send(1)
		}
		s.send(len(s.rest))
		if spooling != nil {
			s.must(spooling.sync())
		}
		for s.read() > 0 {
		}
		if want := uint64(100*(s.next-1) - 10); s.last.lsn != want || switches == 0 {
			t.Fatalf("seed %d: read up to %d, sent up to %d; %d switches", seed, s.last.lsn, want, switches)
		}
		f.close()
	}
}

// TestFeedReportsFailures proves when the reader gets the error of a stream: behind what is in memory or in the spool.
func TestFeedReportsFailures(t *testing.T) {
	lost, full := errors.New("lost"), errors.New("full")
	sp := openTestSpool(t)
	f := newFeed(sp)
	direct := f.newPipe()
	f.current = direct
	f.connected(nil, direct)
	for _, m := range transactionMessages(1, 1) {
		_ = direct.put(t.Context(), m)
	}
	direct.close(lost)
	if m, err := f.take(nil); len(m) != 3 || err != nil || f.caughtUp.Load() {
		t.Errorf("%d messages, %v", len(m), err)
	}
	if _, err := f.take(nil); !errors.Is(err, lost) {
		t.Error(err)
	}

	f = newFeed(sp)
	d := newSpooler(f)
	f.connected(nil, nil)
	for _, m := range transactionMessages(2, 1) {
		if err := d.put(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.sync(); err != nil {
		t.Fatal(err)
	}
	d.close(full)
	if m, err := f.take(nil); len(m) != 3 || err != nil {
		t.Errorf("%d messages, %v", len(m), err)
	}
	if _, err := f.take(nil); !errors.Is(err, full) || !errors.Is(f.failure(), full) {
		t.Error(err)
	}
	f.fail(nil)
	if m, err := f.take(nil); len(m) != 0 || err != nil || !f.caughtUp.Load() {
		t.Errorf("%d messages, %v", len(m), err)
	}
	f.close()
}
