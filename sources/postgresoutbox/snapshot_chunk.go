package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
)

// chunkTimeout bounds, in the server, the statement that reads a chunk.
const chunkTimeout = 10 * time.Second

var errNoTable = errors.New("the table does not exist, or has no primary key: remove it from tables, or create it")

// readChunk reads a chunk in the snapshot of the open transaction of the reader's session. A failure of the session that
// reads the rows is readErr.
func (r *reader) readChunk(ctx context.Context, table string) (c *pgsnapshot.Chunk, readErr, err error) {
	key, err := r.keyOf(ctx, table)
	if err != nil {
		return nil, nil, err
	}
	var view string
	asking, asked := r.withTimeout(ctx)
	err = r.conn.QueryRow(asking, "SELECT pg_export_snapshot()").Scan(&view)
	asked()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot export the snapshot of the transaction: %w", err)
	}
	if len(key.columns) == 0 {
		return nil, errNoTable, nil
	}
	c, readErr = r.s.snapshotReader.Read(ctx, table, key.name, r.snapshot.Tables[table], view, func(columns []pgconn.KeyColumn) error {
		if !slices.Equal(columns, key.columns) { // the events of changes have another key
			return pgconn.ErrChanged
		}
		return nil
	})
	return c, readErr, ctx.Err()
}
