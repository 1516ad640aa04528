package postgreswal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/sources/postgreswal/spool"
)

// feed supplies the reader with messages: those that the receiver has put into a pipe, or those in the spool. The reader reads
// a pipe until it is closed with errSpooled, then the spool to its end, and then the pipe that follows the spool.
// Run starts the first stream, with a pipe (startFeed). The monitor starts those that are spooled (monitor_spooling.go). The
// spooler makes the pipe that follows the spool (spooler.go).
type feed struct {
	arrived  chan struct{} // holds a value after messages have arrived; its capacity is 1
	caughtUp atomic.Bool   // the reader has processed all messages that have arrived
	spool    *spool.Spool  // nil: there is none

	mu     sync.Mutex
	stream *stream // nil while there is no connection
	pipe   *pipe   // into which the receiver puts messages; nil while they are spooled
	err    error   // why no more messages arrive; nil: more may arrive

	// Only the goroutine of Run uses these.
	current *pipe // which the reader reads; nil: it reads the spool
	records *spool.Reader
}

// destination gets the messages of a stream: a pipe, or the spooler.
type destination interface {
	put(ctx context.Context, m message) error
	close(err error) // no message follows, because of err
	isBlocked() bool // put waits for room
}

// errSpooled closes a pipe whose later messages are in the spool.
var errSpooled = errors.New("changes are spooled")

func newFeed(sp *spool.Spool) *feed { return &feed{arrived: make(chan struct{}, 1), spool: sp} }

// newPipe returns a pipe whose messages wake the reader.
func (f *feed) newPipe() *pipe {
	p := newPipe()
	p.arrived = f.arrived
	return p
}

// take returns messages that have arrived, or none. It uses the memory of reuse for later messages.
func (f *feed) take(reuse []message) ([]message, error) {
	messages, err := f.next(reuse)
	f.caughtUp.Store(len(messages) == 0)
	return messages, err
}

func (f *feed) next(reuse []message) ([]message, error) {
	if f.current != nil {
		messages, err := f.current.take(reuse)
		if len(messages) == 0 && err == nil {
			err = f.failure()
		}
		if !errors.Is(err, errSpooled) {
			return messages, err
		}
		f.current = nil
	}
	f.mu.Lock() // read before the spool: the pipe follows what the spool holds now
	pipe, err := f.pipe, f.err
	f.mu.Unlock()
	messages, readErr := f.readSpool(reuse[:0])
	switch {
	case readErr != nil || len(messages) > 0:
		return messages, readErr
	case pipe != nil:
		f.current = pipe
		return pipe.take(reuse)
	}
	return nil, err
}

const (
	spoolBatch      = 256 // messages
	spoolBatchBytes = 1 << 20
)

// readSpool appends the next messages of the spool.
func (f *feed) readSpool(messages []message) ([]message, error) {
	if f.records == nil {
		f.records = f.spool.NewReader()
	}
	var slab []byte
	for bytes := 0; len(messages) < spoolBatch && bytes < spoolBatchBytes; {
		record, ok, err := f.records.Next()
		if err != nil || !ok {
			return messages, err
		}
		if len(record.Data) == 0 {
			messages = append(messages, message{lsn: record.Commit})
			continue
		}
		var data []byte
		slab, data = copyInto(slab, record.Data)
		messages = append(messages, message{data: data})
		bytes += len(record.Data)
	}
	return messages, nil
}

// report sends the confirmed LSN to the server soon. With ask it asks for a reply: a keepalive.
func (f *feed) report(ask bool) {
	f.mu.Lock()
	st := f.stream
	f.mu.Unlock()
	if st != nil {
		st.report(ask)
	}
}

// takeReplyWanted reports whether the server has asked for a reply since the last call.
func (f *feed) takeReplyWanted() bool {
	f.mu.Lock()
	st := f.stream
	f.mu.Unlock()
	return st != nil && st.replyWanted.Swap(false)
}

// silentFor returns for how long the server has sent nothing, although there was room for it.
func (f *feed) silentFor() time.Duration {
	f.mu.Lock()
	st := f.stream
	f.mu.Unlock()
	if st == nil {
		return 0
	}
	return st.silentFor()
}

// connected notes a stream, and its pipe. The pipe is nil if the stream is spooled.
func (f *feed) connected(st *stream, p *pipe) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stream, f.pipe = st, p
}

// follow notes the pipe that follows the spool.
func (f *feed) follow(p *pipe) {
	f.mu.Lock()
	f.pipe = p
	f.mu.Unlock()
	signal(f.arrived)
}

// fail sets the error that take returns behind the messages in memory and in the spool; nil: more messages may arrive.
func (f *feed) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	signal(f.arrived)
}

// failure returns the error that fail has set.
func (f *feed) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// disconnect closes the stream. The reader then gets err behind the messages in memory. With nil, it waits for fail.
func (f *feed) disconnect(err error) {
	f.mu.Lock()
	st, p := f.stream, f.pipe
	f.stream, f.pipe = nil, nil
	f.mu.Unlock()
	if p != nil {
		p.close(err)
	}
	if st != nil {
		st.out.close(err)
		st.close()
	}
}

// close ends the feed. Further calls have no effect.
func (f *feed) close() {
	f.disconnect(context.Canceled)
	if f.records != nil {
		_ = f.records.Close() // it was only read
	}
}
