package postgreswal

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"eventgateway/sources/postgreswal/spool"
)

// noteEvery is the time after which a keepalive is written into the spool. After idleSaveBytes of WAL it is written at once.
const noteEvery = time.Second

// spooler is the destination of a stream that is spooled. To end the spooling, it passes messages into a pipe, from the end of a
// transaction on.
type spooler struct {
	feed  *feed
	spool *spool.Spool

	mu     sync.Mutex
	open   bool      // a transaction has begun, and not ended
	commit uint64    // the last commit in the spool
	passed uint64    // LSN of the latest keepalive between transactions
	noted  time.Time // when a keepalive was last written into the spool
	ending bool      // a pipe gets the messages from the next transaction on
	closed bool
	pipe   *pipe // gets the messages; nil: the spool does
}

func newSpooler(f *feed) *spooler { return &spooler{feed: f, spool: f.spool, commit: f.spool.End()} }

// put is part of [destination].
func (d *spooler) put(ctx context.Context, m message) error {
	p, err := d.append(m)
	if p != nil {
		return p.put(ctx, m)
	}
	return err
}

// append appends a message to the spool. If spooling has ended, it returns the pipe, which must get the message.
func (d *spooler) append(m message) (*pipe, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pipe == nil && d.ending && !d.open {
		if err := d.syncLocked(); err != nil {
			return nil, err
		}
		d.pipe = d.feed.newPipe()
		d.feed.follow(d.pipe)
	}
	if d.pipe != nil {
		return d.pipe, nil
	}
	if m.isKeepalive() {
		if !d.open {
			d.passed = m.lsn
		}
		return nil, nil
	}
	record := spool.Record{LSN: m.lsn, Data: m.data}
	switch m.data[0] {
	case 'B':
		d.open = true
	case 'C':
		if len(m.data) < 18 {
			return nil, errors.New("the server sent a commit that is too short")
		}
		record.Commit = binary.BigEndian.Uint64(m.data[10:]) // the end of the transaction
	}
	if err := d.spool.Append(record); err != nil {
		return nil, err
	}
	if record.Commit != 0 {
		d.open, d.commit = false, record.Commit
	}
	return nil, nil
}

// sync makes what was received durable and visible to the reader.
func (d *spooler) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pipe != nil {
		return nil
	}
	return d.syncLocked()
}

func (d *spooler) syncLocked() error {
	// No change of the tables is between the last commit and the keepalive, so the slot may be confirmed up to the keepalive. Storing that
	// writes WAL, too, so it is done rarely.
	if !d.open && d.passed > d.commit && (d.passed-d.commit >= idleSaveBytes || time.Since(d.noted) >= noteEvery) {
		if err := d.spool.Append(spool.Record{LSN: d.passed, Commit: d.passed}); err != nil {
			return err
		}
		d.commit, d.noted = d.passed, time.Now()
	}
	return d.spool.Sync()
}

// end sets whether spooling ends before the next transaction, which then goes into a pipe.
func (d *spooler) end(ending bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ending = ending
}

// ended reports whether messages go into a pipe.
func (d *spooler) ended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pipe != nil
}

// close is part of [destination].
func (d *spooler) close(err error) {
	d.mu.Lock()
	p, closed := d.pipe, d.closed
	d.closed = true
	d.mu.Unlock()
	switch {
	case closed:
	case p != nil:
		p.close(err)
	case err != nil && !errors.Is(err, errSpooled): // otherwise the monitor starts another stream, or calls fail itself
		d.feed.fail(err)
	}
}

// isBlocked is part of [destination].
func (d *spooler) isBlocked() bool {
	d.mu.Lock()
	p := d.pipe
	d.mu.Unlock()
	return p != nil && p.isBlocked()
}
