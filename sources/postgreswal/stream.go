package postgreswal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	gatewayconn "eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	statusEvery = time.Second      // between two status updates, if nothing else causes one
	askAfter    = 5 * time.Second  // without a message, after which the server is asked to reply
	unsentLimit = 10 * time.Second // in which the network acknowledges no status update: then the connection is lost
	// minSilence is the time without a message after which the connection counts as lost. A server that decodes a large
	// transaction of other tables is silent for up to half of the wal_sender_timeout, which is 30 s. Older servers are silent
	// for longer. So each loss of this kind doubles the time, up to maxSilence.
	minSilence = 75 * time.Second
	maxSilence = 20 * time.Minute
	slabSize   = 64 << 10 // bytes of memory that several messages share
)

// stream is one replication connection. Its receiver goroutine only reads, and its keeper goroutine only writes.
type stream struct {
	conn *pgconn.PgConn
	out  destination

	confirm     *atomic.Uint64 // LSN up to which the server may remove its WAL
	silence     time.Duration  // after this time without a message, the connection is lost
	received    atomic.Int64   // time of the last message, in Unix nanoseconds
	walEnd      atomic.Uint64  // end of the server's WAL, by its latest message
	wake        chan struct{}  // a value makes the keeper send a status at once; its capacity is 1
	replyWanted atomic.Bool    // the server has asked for a reply
	ask         atomic.Bool    // the next status asks for a reply

	cancel context.CancelFunc
	ended  [2]chan struct{} // of the goroutines
}

// startStream starts to receive what was committed at or after the LSN from. It returns when the server has begun to send.
// confirm holds the LSN up to which the server may remove its WAL; the caller raises it and then calls report.
func (s *source) startStream(ctx context.Context, from uint64, confirm *atomic.Uint64, out destination) (*stream, error) {
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	settings := gatewayconn.RowSettings
	if s.untranslated {
		settings = untranslatedSettings
	}
	conn, err := gatewayconn.ConnectReplication(starting, s.conn, settings)
	if err != nil {
		return nil, err
	}
	args := []string{"proto_version '1'", "publication_names " + quoteLiteral(quoteIdentifier(s.opts.Publication))}
	if conn.ParameterStatus("server_version") >= "14" { // older versions have two digits, too
		args = append(args, "messages 'true'")
	}
	err = pglogrepl.StartReplication(starting, conn, quoteIdentifier(s.opts.Slot), pglogrepl.LSN(from), pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: args})
	if err != nil {
		gatewayconn.CloseReplication(conn)
		return nil, fmt.Errorf("cannot read the slot %s: %w", s.opts.Slot, explainStart(err))
	}
	st := &stream{conn: conn, out: out, confirm: confirm, silence: s.silence, wake: make(chan struct{}, 1), ended: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
	st.received.Store(time.Now().UnixNano())
	running, stop := context.WithCancel(ctx)
	st.cancel = stop
	plugin.Go(func() error { return st.receive(running) }, func(err error) {
		st.out.close(err)
		close(st.ended[0])
	})
	plugin.Go(func() error { return st.keep(running) }, func(err error) {
		st.out.close(err)
		stop() // ends the receiver, too
		close(st.ended[1])
	})
	return st, nil
}

// close ends both goroutines, and closes the connection.
func (st *stream) close() {
	st.cancel()
	_ = st.conn.Conn().SetDeadline(time.Now()) // ends a write that the server does not read
	for _, ended := range st.ended {
		<-ended
	}
	gatewayconn.CloseReplication(st.conn)
}

// report sends the confirmed LSN to the server soon. With ask it asks for a reply: a keepalive.
func (st *stream) report(ask bool) {
	if ask {
		st.ask.Store(true)
	}
	signal(st.wake)
}

// receive puts the server's messages into the destination, until an error.
func (st *stream) receive(ctx context.Context) error {
	var slab []byte
	for {
		m, err := st.conn.ReceiveMessage(ctx)
		if err != nil {
			return fmt.Errorf("lost the replication connection: %w", err)
		}
		st.received.Store(time.Now().UnixNano())
		switch m := m.(type) {
		case *pgproto3.CopyData:
			if len(m.Data) == 0 {
				return errors.New("the server sent an empty message of replication")
			}
			switch m.Data[0] {
			case pglogrepl.PrimaryKeepaliveMessageByteID:
				k, err := pglogrepl.ParsePrimaryKeepaliveMessage(m.Data[1:])
				if err != nil {
					return err
				}
				st.noteWALEnd(uint64(k.ServerWALEnd))
				if k.ReplyRequested {
					st.replyWanted.Store(true)
					st.report(false)
				}
				if err := st.out.put(ctx, message{lsn: uint64(k.ServerWALEnd)}); err != nil {
					return err
				}
			case pglogrepl.XLogDataByteID:
				if len(m.Data) < 26 {
					return fmt.Errorf("the server sent a message of replication of %d bytes, which is too short", len(m.Data))
				}
				st.noteWALEnd(binary.BigEndian.Uint64(m.Data[9:]))
				lsn, data := binary.BigEndian.Uint64(m.Data[1:]), m.Data[25:]
				if data[0] == 'M' && !isCommand(data) {
					continue
				}
				slab, data = copyInto(slab, data)
				if err := st.out.put(ctx, message{lsn: lsn, data: data}); err != nil {
					return err
				}
			}
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.CopyDone, *pgproto3.ReadyForQuery:
			return errors.New("the server has ended the replication: it shuts down, or the slot was dropped")
		}
	}
}

// copyInto copies data into a slab, behind that of other messages, and returns the slab for the next ones. It replaces a slab that is
// full. Large data gets memory of its own.
func copyInto(slab, data []byte) (next, copied []byte) {
	if len(data) > slabSize/4 {
		return slab, bytes.Clone(data)
	}
	if len(data) > cap(slab)-len(slab) {
		slab = make([]byte, 0, slabSize)
	}
	slab = append(slab, data...)
	return slab, slab[len(slab)-len(data) : len(slab) : len(slab)]
}

func (st *stream) noteWALEnd(lsn uint64) {
	if lsn > st.walEnd.Load() {
		st.walEnd.Store(lsn)
	}
}

// silentFor returns for how long the server has sent nothing, although there was room for it.
func (st *stream) silentFor() time.Duration {
	if st.out.isBlocked() {
		return 0
	}
	return time.Since(time.Unix(0, st.received.Load()))
}

// errSilent is the error of a connection on which nothing arrives.
var errSilent = errors.New("the server has sent nothing for too long")

// keep sends status updates. It returns an error if the connection is lost.
func (st *stream) keep(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	acknowledged := time.Now() // when all sent bytes were last acknowledged
	for {
		due := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-st.wake:
		case <-tick.C:
			due = true
		}
		if due && gatewayconn.Unsent(st.conn) == 0 {
			acknowledged = time.Now()
		}
		silent := st.silentFor()
		switch {
		case silent > st.silence:
			return plugin.Unavailable(fmt.Errorf("%w: %v", errSilent, silent.Round(time.Second)))
		case silent > unsentLimit && time.Since(acknowledged) > unsentLimit:
			return plugin.Unavailable(fmt.Errorf("lost the replication connection: nothing has arrived at the other side for %v", time.Since(acknowledged).Round(time.Second)))
		}
		lsn := st.confirm.Load()
		ask := st.ask.Swap(false) || due && silent > askAfter
		if err := st.sendStatus(lsn, ask); err != nil {
			return plugin.Unavailable(fmt.Errorf("lost the replication connection: %w", err))
		}
	}
}

// sendStatus sends a status update. It writes to the connection itself: after a failed read, pgconn uses the buffer of its frontend in a
// goroutine of its own.
func (st *stream) sendStatus(lsn uint64, ask bool) error {
	data := append(make([]byte, 0, 34), pglogrepl.StandbyStatusUpdateByteID)
	for range 3 { // written, flushed, and applied
		data = binary.BigEndian.AppendUint64(data, lsn)
	}
	data = binary.BigEndian.AppendUint64(data, uint64(time.Now().UnixMicro()-postgresEpoch))
	reply := byte(0)
	if ask {
		reply = 1
	}
	message, err := (&pgproto3.CopyData{Data: append(data, reply)}).Encode(nil)
	if err == nil {
		_, err = st.conn.Conn().Write(message)
	}
	return err
}
