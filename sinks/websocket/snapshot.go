package websocket

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"eventgateway/gateway/logsample"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// A snapshot sends the existing rows of a table, and before them the position from which the client then subscribes.
//
// A client that applies the rows, and then each message from the position on, ends with the rows of the table that its
// subscription shows. Applying means: the last message of a key wins, and a DELETE or a leave removes the row. The
// reasons are these, for the row of one key:
//
//   - The position is taken before the first page is read. So a change that was committed after the page of its key was
//     read has an event behind the position. This is true for an INSERT into a page that was read before, for a DELETE of
//     a row that was sent, and for a row whose key was changed from one page to another.
//   - Events of a key come in the order of its changes. The events behind the position are all events of the key from
//     some change on, without a hole. Some may be older than the row that was sent, because they were in a queue or in
//     Redis when it was read. The row then goes back in time, but its later changes follow: if one event is behind the
//     position, so are all later ones, up to the last. So the last message is that of the last change.
//   - If no event of the key is behind the position, its last change is in the page, or the row is not in the table.
//   - The rows and the messages pass the same match. A row that leaves the subscription has a leave message, if its
//     payload has the old row.
//
// So each page may have a transaction of its own: pages need no common state of the table. No transaction is open while
// the client receives, so a slow client holds no session, and keeps no row from vacuum.
//
// The reasons fail where events are lost. Then the source notes a gap. A snapshot with a gap since its position, or
// whose position the history no longer holds, ends with an error. The client requests another one.

// snapshots holds what the snapshots of a sink share.
type snapshots struct {
	opts   Snapshot
	tables map[string]pgtrigger.Table // by the name in events
	pool   *rowReaders
	failed *logsample.Sampler // of log lines

	evaluating sync.Mutex // held for a turn of an evaluation: all snapshots together take one core at most

	stopping context.Context // ends when the gateway stops
	stop     context.CancelFunc

	mu     sync.Mutex
	active int
}

// newSnapshots returns nil if no table is configured.
func newSnapshots(o Snapshot, name string) (*snapshots, error) {
	if len(o.Tables) == 0 {
		return nil, nil
	}
	config, err := pgconn.PrimaryConfig(o.URL, name)
	if err != nil {
		return nil, err
	}
	s := &snapshots{opts: o, tables: map[string]pgtrigger.Table{}, failed: newSampler(), pool: newRowReaders(config, o.Owners)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	for _, text := range o.Tables {
		table, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		s.tables[table.Qualified()] = table
	}
	return s, nil
}

// Errors of snapshots, for the client.
var (
	errNoSnapshots      = errors.New("this gateway offers no snapshots: set snapshot.tables of its websocket sink")
	errNoSnapshot       = errors.New("there is no snapshot of this table: name one that the gateway offers")
	errTooManySnapshots = errors.New("too many snapshots at the same time: try again later")
	errSnapshotFailed   = errors.New("the table cannot be read: try again later")
	errSnapshotTimeout  = errors.New("the snapshot takes too long: receive faster, or request fewer rows")
	errSnapshotStopped  = errors.New("the gateway is stopping: connect again")
	errSnapshotExpired  = errors.New("the token has expired: request the snapshot again with a new one")
	errSnapshotPosition = errors.New("the messages since the position of the snapshot are no longer complete, because of a gap or a short history: request it again")
)

// isSnapshot reports whether a request is for a snapshot.
func isSnapshot(r *http.Request) bool {
	return r.Method == http.MethodGet && !isUpgrade(r) && r.URL.Query().Has("snapshot")
}

// find returns the table that a client names.
func (s *snapshots) find(name string) (t pgtrigger.Table, ok bool) {
	t, err := pgtrigger.ParseTable(name)
	if err != nil {
		return t, false
	}
	t, ok = s.tables[t.Qualified()]
	return t, ok
}

// acquire counts a snapshot, and reports false if there are too many.
func (s *snapshots) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active >= s.opts.Clients {
		return false
	}
	s.active++
	return true
}

// release counts a snapshot no more. The last one closes the sessions.
func (s *snapshots) release() {
	s.mu.Lock()
	s.active--
	last := s.active == 0
	s.mu.Unlock()
	if last {
		s.pool.closeIdle()
	}
}

// end ends all snapshots. Those that read a page end after it. s may be nil.
func (s *snapshots) end() {
	if s != nil {
		s.stop()
	}
}

// cut ends the reading of pages as well. s may be nil.
func (s *snapshots) cut() {
	if s != nil {
		s.pool.cut()
	}
}

// answerSnapshot answers a request for a snapshot from a client that the limits of its address count.
func (s *sink) answerSnapshot(w http.ResponseWriter, r *http.Request, address string) {
	done := make(chan struct{})
	s.env.Go(func(context.Context) {
		defer close(done)
		defer s.releaseClient(address)
		s.serveSnapshot(w, r, address)
	})
	<-done
}

// serveSnapshot checks a request as that of a client that connects, and sends the snapshot.
func (s *sink) serveSnapshot(w http.ResponseWriter, r *http.Request, address string) {
	if s.snapshots == nil {
		http.Error(w, errNoSnapshots.Error(), http.StatusNotFound)
		return
	}
	if !s.originAllowedSSE(r) {
		s.refuse(w, r, http.StatusForbidden, errOrigin)
		return
	}
	c := newClient(s, address, "", plugin.Access(r.Context()))
	mark := s.hub.currentGapMark() // before the position: a gap in between is noted
	var sub subscription
	var at startPoint
	if !c.prepareOrRefuse(&hijacker{ResponseWriter: w, c: c}, r, func(r *http.Request) (status int, err error) {
		sub, at, status, err = c.prepareSnapshot(r)
		return status, err
	}) {
		return
	}
	table, ok := s.snapshots.find(r.URL.Query().Get("snapshot"))
	if !ok {
		http.Error(w, errNoSnapshot.Error(), http.StatusNotFound)
		return
	}
	if !s.snapshots.acquire() {
		s.metrics.refused.Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, errTooManySnapshots.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.snapshots.release()
	ctx, cancel := s.snapshotContext(r.Context(), c.expires)
	defer cancel()
	one := &snapshot{
		sink: s, at: at, gapMark: mark, name: table.Qualified(), pages: newPages(s.snapshots.pool, table.String()),
		filter: newRowFilter(s, sub, address, table.Qualified()), out: newSnapshotWriter(ctx, w, r, s.opts.WriteTimeout.D()),
	}
	defer one.out.close()
	s.metrics.snapshots.WithLabelValues(one.run(ctx)).Inc()
}

// prepareSnapshot authenticates the client of a snapshot, and returns its subscription, and the position at the end of its
// topic. On an error it returns the status of the answer.
func (c *client) prepareSnapshot(r *http.Request) (sub subscription, at startPoint, status int, err error) {
	c.protocol = true
	_, sub, from, status, err := c.readRequest(r)
	if err != nil {
		return sub, at, status, err
	}
	h := c.sink.hub
	t, at, err := h.join(r.Context(), c.address, sub, from)
	if status, err = c.joinStatus(err); err != nil {
		return sub, at, status, err
	}
	h.releaseTopic(t, c.address) // the history keeps the messages for the client
	at.position = position{}     // would keep the log in memory
	return sub, at, 0, nil
}

// snapshotContext returns a context that ends when a snapshot must end. Its cause is for the client.
func (s *sink) snapshotContext(ctx context.Context, expires time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unregister := context.AfterFunc(s.snapshots.stopping, func() { cancel(errSnapshotStopped) })
	ctx, stop := context.WithTimeoutCause(ctx, s.opts.Snapshot.Timeout.D(), errSnapshotTimeout)
	expired := context.CancelFunc(func() {})
	if !expires.IsZero() {
		ctx, expired = context.WithDeadlineCause(ctx, expires, errSnapshotExpired)
	}
	return ctx, func() { expired(); stop(); unregister(); cancel(nil) }
}
