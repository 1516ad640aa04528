package postgresnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	answerTimeout    = 2 * time.Second // for a heartbeat's answer
	maxBatch         = 512             // events in one Emit
	finalReadTimeout = 100 * time.Millisecond
)

// Run is part of [plugin.Source].
//
// The session only listens. It never opens a transaction: a listening session in a
// transaction blocks the notification queue of the whole server.
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, pgconn.Unavailable(err))
	}
	defer pgconn.Close(conn)
	fetching, stop := context.WithCancel(ctx)
	queue := newFetchQueue(s.fetcher, s.log, s.unfetched)
	defer queue.close()
	defer stop()
	if s.listenedBefore {
		out.Gap("reconnected: notifications in between are lost")
	}
	s.listenedBefore = true
	defer s.usage.MarkStale()
	defer s.clock.MarkStale()
	out.Ready()
	return plugin.UnlessDone(ctx, pgconn.Unavailable(s.listen(fetching, conn, queue, out)))
}

func (s *source) fetcher() *fetcher {
	return &fetcher{config: s.conn, tables: s.tables, reader: pgconn.RowReader{Config: s.conn, Owners: s.opts.Owners, Timeout: fetchTimeout}}
}

func (s *source) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgconn.Connect(ctx, s.conn)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	if err = s.createTrigger(ctx, conn); err == nil {
		err = s.warnTriggers(ctx, conn) // before LISTEN, because it needs a transaction
	}
	if err == nil {
		s.pid, err = pgconn.VerifyListen(ctx, conn, s.conn.ConnConfig, func(ctx context.Context) error { return s.listenToChannels(ctx, conn) })
	}
	if err != nil {
		pgconn.Close(conn)
		return nil, fmt.Errorf("cannot listen at %s: %w", s.opts.URL, err)
	}
	return conn, nil
}

// listenToChannels listens to all channels, for any time without notifications.
func (s *source) listenToChannels(ctx context.Context, conn *pgx.Conn) error {
	timed, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout) // a connection may freeze just here
	defer cancel()
	if _, err := conn.PgConn().Exec(timed, pgconn.LongSessionSQL).ReadAll(); err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	for _, channel := range s.opts.Channels {
		if _, err := conn.Exec(timed, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return fmt.Errorf("%s: %w", channel, err)
		}
	}
	return nil
}

// listen emits notifications until the connection is lost. All that arrive in one read of
// the socket are one batch. Events whose rows must be fetched wait in queue.
func (s *source) listen(ctx context.Context, conn *pgx.Conn, w *fetchQueue, out plugin.Output) error {
	var batch []*event.Event
	last := time.Now() // when the connection was last known to work
	for {
		forward := func(e *event.Event) error {
			if !w.add(ctx, e) {
				batch = append(batch, e)
			}
			if len(batch) == 0 || len(batch) < maxBatch && conn.PgConn().Frontend().ReadBufferLen() > 0 {
				return nil
			}
			err := out.Emit(ctx, event.Batch{Events: batch})
			clear(batch)
			batch = batch[:0]
			return err
		}
		err := s.forwardUntil(ctx, conn, last.Add(s.opts.Heartbeat.D()), &last, w, forward)
		if err == nil && time.Since(last) >= s.opts.Heartbeat.D() {
			// This process may have been delayed: then notifications have arrived already.
			err = s.forwardUntil(ctx, conn, time.Now().Add(finalReadTimeout), &last, w, forward)
		}
		batch = append(batch, w.finished(ctx)...)
		if len(batch) > 0 { // also after an error, because these arrived completely
			err = errors.Join(err, out.Emit(ctx, event.Batch{Events: batch}))
			batch = nil
		}
		if err == nil && w.panicked != nil {
			err = fmt.Errorf("fetching a row: %w", w.panicked)
		}
		// A server answers only after it has sent all pending notifications, which
		// may be many. If some arrived, the connection works, and needs no heartbeat.
		if err == nil && time.Since(last) >= s.opts.Heartbeat.D() {
			err = s.heartbeat(ctx, conn)
			last = time.Now()
		}
		if err != nil {
			return err
		}
	}
}

// forwardUntil forwards notifications until a deadline, or until a fetch has ended. Both leave the
// connection usable. Each notification updates last, and so defers the next heartbeat.
//
// The context is watched once for all notifications: WaitForNotification would begin and end a watch for
// each of them, with six allocations.
func (s *source) forwardUntil(ctx context.Context, conn *pgx.Conn, deadline time.Time, last *time.Time, w *fetchQueue, forward func(*event.Event) error) error {
	wait, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	w.cancelOnResult(cancel)
	defer interruptReads(wait, conn.PgConn().Conn())()
	for {
		n, err := conn.WaitForNotification(context.Background())
		if n != nil {
			e := &event.Event{Source: s.name, Channel: n.Channel, Time: time.Now(), Data: event.StringData(n.Payload)}
			if err := forward(e); err != nil {
				return err
			}
			*last = time.Now() // after forward, which may block for long
		}
		if err != nil {
			if wait.Err() != nil && ctx.Err() == nil {
				return nil
			}
			return fmt.Errorf("lost the connection to %s: %w", s.opts.URL, err)
		}
	}
}

// interruptReads makes the reads of a connection fail with a timeout once ctx ends. After the function that it
// returns was called, reads wait again.
func interruptReads(ctx context.Context, conn net.Conn) (end func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection only, whose reads fail, too
	})
	return func() {
		if !stop() {
			<-interrupted
			_ = conn.SetReadDeadline(time.Time{})
		}
	}
}

// heartbeat queries the server. This detects a half-open connection, and a pooler whose mode has changed
// and which has given the connection another session. It also reads the usage of the notification queue, and the clock.
func (s *source) heartbeat(ctx context.Context, conn *pgx.Conn) error {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var usage, now float64
	var pid uint32
	sent := time.Now()
	if err := conn.QueryRow(timed, "SELECT pg_notification_queue_usage(), pg_backend_pid(), extract(epoch FROM clock_timestamp())::float8", pgx.QueryExecModeSimpleProtocol).Scan(&usage, &pid, &now); err != nil {
		return fmt.Errorf("no answer from %s: %w", s.opts.URL, err)
	}
	s.usage.Set(usage)
	s.clock.Measured(sent, time.Now(), time.UnixMicro(int64(now*1e6)))
	return pgconn.CheckSameSession(s.conn.ConnConfig, pid, s.pid)
}
