package exec

import (
	"context"
	"strconv"
	"sync"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/plugin"
)

// ackWriter writes acks to a process in a goroutine of its own, because a process that does not read its input blocks the write. Only
// the latest ack waits.
type ackWriter struct {
	process *childproc.Process
	wake    chan struct{}
	done    chan struct{}

	mu     sync.Mutex
	seq    uint64 // the batch to ack; 0: none
	credit int
	last   []byte // the last line, a nack; nil: none
	closed bool   // finish was called
}

func newAckWriter(process *childproc.Process) *ackWriter {
	w := &ackWriter{process: process, wake: make(chan struct{}, 1), done: make(chan struct{})}
	plugin.Go(w.run, func(error) { close(w.done) })
	return w
}

func (w *ackWriter) run() error {
	for range w.wake {
		w.mu.Lock()
		var line []byte
		if w.seq != 0 {
			line = strconv.AppendUint(append(line, `{"ack":`...), w.seq, 10)
			line = strconv.AppendInt(append(line, `,"credit":`...), int64(w.credit), 10)
			line = append(line, "}\n"...)
		}
		line, closed := append(line, w.last...), w.closed
		w.seq, w.last = 0, nil
		w.mu.Unlock()
		if len(line) > 0 {
			if err := w.process.Write(context.Background(), line); err != nil {
				return err
			}
		}
		if closed {
			break
		}
	}
	return nil
}

// ack queues the ack of the batches up to seq, with the number of further events that may be in flight.
func (w *ackWriter) ack(seq uint64, credit int) {
	w.mu.Lock()
	w.seq, w.credit = seq, credit
	w.mu.Unlock()
	w.signal()
}

// nack queues the nack of the batches from seq on.
func (w *ackWriter) nack(seq uint64, why error) {
	w.mu.Lock()
	w.last = childproc.AppendNack(nil, seq, why)
	w.mu.Unlock()
	w.signal()
}

// finish waits until the queued lines are written, the process has ended, or the timeout.
func (w *ackWriter) finish(timeout time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-w.done:
	case <-t.C:
	case <-w.process.Done():
	}
}

// wait returns when the goroutine has ended. The input of the process was closed before.
func (w *ackWriter) wait() { <-w.done }

func (w *ackWriter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
