package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"eventgateway/gateway/pgconn"
)

const (
	// chunkTimeout bounds, in the server, the statement that reads a chunk.
	chunkTimeout = 10 * time.Second
	// A table is paused after its rows could not be read; each further failure doubles the pause.
	minTablePause = 30 * time.Second
	maxTablePause = 10 * time.Minute
)

// tablePause is the pause of a table after its rows could not be read.
type tablePause struct {
	until time.Time
	last  time.Duration
}

// pauseTable pauses a table whose rows could not be read, and returns for how long.
func (s *source) pauseTable(table string) time.Duration {
	d := min(max(2*s.pausedTables[table].last, minTablePause), maxTablePause)
	s.pausedTables[table] = tablePause{time.Now().Add(d), d}
	return d
}

// chunk is the next rows of a table that existed when its snapshot began, in the order of the
// primary key, or why they could not be read.
type chunk struct {
	key     string // of the table, by which they were read
	rows    []pgconn.Row
	readErr error
}

// readChunk reads a chunk in the snapshot of the open transaction of the reader's session. The rows
// are read in another session, because code of the table's owner may run there. Failures of that
// session are in chunk.readErr.
func (r *reader) readChunk(ctx context.Context, table string) (c chunk, err error) {
	key, err := r.keyOf(ctx, table)
	if err != nil {
		return c, err
	}
	var view string
	asking, asked := r.withTimeout(ctx)
	err = r.conn.QueryRow(asking, "SELECT pg_export_snapshot()").Scan(&view)
	asked()
	if err != nil {
		return c, fmt.Errorf("cannot export the snapshot of the transaction: %w", err)
	}
	if len(key.columns) == 0 {
		return chunk{readErr: errors.New("the table does not exist, or has no primary key: remove it from tables, or create it")}, nil
	}
	state := r.snapshot.Tables[table]
	if state.Key != key.id() {
		state.After = nil // restart the table: duplicates are better than a loss
	}
	reading, err := r.s.rowReader.Begin(ctx, key.name, view, func(columns []pgconn.KeyColumn, partitioned bool) (string, error) {
		if !slices.Equal(columns, key.columns) { // state.After is of another key
			return "", pgconn.ErrChanged
		}
		return pgconn.KeyQuery{
			Table: key.name, Partitioned: partitioned, Key: columns,
			Flag: "age(%s.xmin) <= age((args)[2]::xid8::xid)", // written since the snapshot began, so emitted as a change, too
		}.PageSQL(3, len(state.After) > 0), nil
	})
	if err != nil {
		return chunk{readErr: err}, ctx.Err()
	}
	defer reading.End(ctx)
	c.key = key.id()
	begin := time.Now()
	if c.readErr = reading.Run(ctx, append([]string{strconv.Itoa(r.s.chunkSize), state.Since}, state.After...)); c.readErr == nil {
		c.rows, c.readErr = reading.Rows(ctx, 0)
	}
	r.s.adjustChunkSize(c.rows, time.Since(begin))
	return c, ctx.Err()
}

// adjustChunkSize sets the size of the next chunk by the size and the duration of this one.
func (s *source) adjustChunkSize(rows []pgconn.Row, took time.Duration) {
	bytes := 0
	for _, one := range rows {
		bytes += len(one.Data)
	}
	switch {
	case took > slowRead:
		s.chunkSize = max(s.chunkSize/4, 1)
	case bytes > maxBytes/8:
		s.chunkSize = max(s.chunkSize/2, 1)
	case bytes < maxBytes/32:
		s.chunkSize = min(2*s.chunkSize, maxRows)
	}
}
