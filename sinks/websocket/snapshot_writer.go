package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// snapshotPiece is how many bytes a client must accept within write_timeout.
const snapshotPiece = 32 << 10

// snapshotWriter writes the lines of a snapshot in pieces. Each piece has a deadline. When the context of the snapshot ends, a
// write under way has closeTimeout to end.
type snapshotWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	buffer  []byte
	err     error // of the first write that failed
	http1   bool
	unwatch func() bool // ends the wait for the end of the context

	mu       sync.Mutex
	ended    bool // the deadline is the last one
	finished bool // the handler returns, and w must not be used any more
}

func newSnapshotWriter(ctx context.Context, w http.ResponseWriter, r *http.Request, timeout time.Duration) *snapshotWriter {
	o := &snapshotWriter{w: w, control: http.NewResponseController(w), http1: r.ProtoMajor < 2, timeout: timeout}
	_ = o.control.SetReadDeadline(time.Time{}) // else the end of this deadline would look as if the client had left
	o.unwatch = context.AfterFunc(ctx, o.end)
	return o
}

// close is called before the handler returns. Afterwards a deadline of HTTP/2 must not be set.
func (o *snapshotWriter) close() {
	o.unwatch()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finished = true
}

// end gives writes their last deadline.
func (o *snapshotWriter) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.finished {
		return
	}
	_ = o.control.SetWriteDeadline(time.Now().Add(closeTimeout)) // it fails for a closed connection, as writes do
}

// begin writes the header.
func (o *snapshotWriter) begin() {
	h := o.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	if o.http1 {
		h.Set("Connection", "close") // its deadlines are not those of a further request
	}
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	o.w.WriteHeader(http.StatusOK)
}

// line writes a line of JSON. A line break within it, which a column of the type json may have, becomes a space: JSON
// has them only between values.
func (o *snapshotWriter) line(text []byte) error {
	from := len(o.buffer)
	o.buffer = append(append(o.buffer, text...), '\n')
	if line := o.buffer[from : len(o.buffer)-1]; bytes.ContainsAny(line, "\r\n") {
		for i, c := range line {
			if c == '\n' || c == '\r' {
				line[i] = ' '
			}
		}
	}
	if len(o.buffer) >= snapshotPiece {
		return o.flush()
	}
	return o.err
}

// flush writes the buffered lines.
func (o *snapshotWriter) flush() error {
	for rest := o.buffer; len(rest) > 0 && o.err == nil; {
		piece := rest[:min(len(rest), snapshotPiece)]
		rest = rest[len(piece):]
		o.extend()
		if _, o.err = o.w.Write(piece); o.err == nil {
			o.err = o.control.Flush()
		}
	}
	if o.buffer = o.buffer[:0]; cap(o.buffer) > 4*snapshotPiece {
		o.buffer = nil
	}
	return o.err
}

// extend sets the deadline of the next write, unless the last one is set.
func (o *snapshotWriter) extend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		_ = o.control.SetWriteDeadline(time.Now().Add(o.timeout))
	}
}

// snapshotError returns the last line of a snapshot that is not complete.
func snapshotError(err error) []byte {
	text, _ := json.Marshal(map[string]string{"error": err.Error()}) // text always encodes
	return text
}
