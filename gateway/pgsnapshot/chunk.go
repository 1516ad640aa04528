package pgsnapshot

import (
	"context"
	"errors"
	"strconv"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
)

const (
	firstChunk    = 1 // rows: one row may be large, and the connection slow
	maxChunkBytes = 16 << 20
	// A chunk of more than largeChunk bytes, or slower than slowChunk, makes the next one smaller; one below smallChunk makes it larger.
	largeChunk = 2 << 20
	smallChunk = 512 << 10
	slowChunk  = time.Second
)

// Reader reads chunks. Its methods are not safe for concurrent use.
type Reader struct {
	Rows    *pgconn.RowReader
	MaxRows int // in a chunk

	size   int // rows in the next chunk; 0: firstChunk
	paused map[string]pause
}

// Chunk is the next rows of a table, in the order of its key.
type Chunk struct {
	Table string // the name in events
	OID   uint32
	KeyID string // see [KeyID]
	Key   []pgconn.KeyColumn
	Rows  []pgconn.Row // Flag: the row was written since the snapshot of the table began
	// Seen is the view in which the rows were read; nil if the caller gave Read a view.
	Seen *TxSnapshot

	finder *pgconn.KeyFinder
}

// errNoKey is the error of a table without an order.
var errNoKey = errors.New("the table has no primary key: remove it from tables, or create it")

// Read reads the next rows of a table, whose quoted name is name. It reads them in another session, because code of the
// table's owner may run there. view is a result of pg_export_snapshot(), or "" for a view of its own. If check is not nil, it gets
// the key of the table, and an error of it ends Read.
func (r *Reader) Read(ctx context.Context, table, name string, state Table, view string, check func(key []pgconn.KeyColumn) error) (*Chunk, error) {
	c := &Chunk{Table: table}
	tx, err := r.begin(ctx, c, name, view, len(state.After) > 0, check)
	if err == nil && len(state.After) > 0 && state.Key != c.KeyID {
		tx.End(ctx)
		state.After = nil // another table or key: read from the first row, because duplicates are better than a loss
		tx, err = r.begin(ctx, c, name, view, false, check)
	}
	if err != nil {
		return nil, err
	}
	defer tx.End(ctx)
	if view == "" {
		text, err := tx.TxSnapshot(ctx)
		if err != nil {
			return nil, err
		}
		if c.Seen, err = ParseTxSnapshot(text); err != nil {
			return nil, err
		}
	}
	r.size = max(r.size, firstChunk)
	begin := time.Now()
	if err = tx.Run(ctx, append([]string{strconv.Itoa(r.size), state.Since}, state.After...)); err == nil {
		c.Rows, err = tx.Rows(ctx, maxChunkBytes)
	}
	r.adjustSize(c.Rows, time.Since(begin), err)
	return c, err
}

// begin prepares the query of a chunk, and sets its key.
func (r *Reader) begin(ctx context.Context, c *Chunk, name, view string, after bool, check func(key []pgconn.KeyColumn) error) (*pgconn.RowTx, error) {
	tx, err := r.Rows.Begin(ctx, name, view, func(key []pgconn.KeyColumn, partitioned bool) (string, error) {
		if len(key) == 0 {
			return "", errNoKey
		}
		if check != nil {
			if err := check(key); err != nil {
				return "", err
			}
		}
		c.Key, c.finder = key, pgconn.NewKeyFinder(key)
		return pgconn.KeyQuery{
			Table: name, Partitioned: partitioned, Key: key,
			Flag: "age(%s.xmin) <= age((args)[2]::xid8::xid)",
		}.PageSQL(3, after), nil
	})
	if err == nil {
		c.OID, c.KeyID = tx.Table(), KeyID(tx.Table(), c.Key)
	}
	return tx, err
}

// adjustSize sets the size of the next chunk by the size and the duration of this one.
func (r *Reader) adjustSize(rows []pgconn.Row, took time.Duration, err error) {
	bytes := 0
	for _, one := range rows {
		bytes += len(one.Data)
	}
	switch {
	case took > slowChunk:
		r.size = max(r.size/4, 1)
	case bytes > largeChunk:
		r.size = max(r.size/2, 1)
	case bytes < smallChunk && err == nil:
		r.size = min(2*r.size, r.MaxRows)
	}
}

// RowKey returns the key of a row's events. If the row lacks a column of the key, it returns the name of the table, and false.
func (c *Chunk) RowKey(row pgconn.Row) (key string, known bool) {
	values, _ := c.finder.Find(row.Data)
	if values == nil {
		return c.Table, false
	}
	return pgconn.RowKey(c.Table, values), true
}

// Event returns the event of a row. source is the name of the source, and output is order or change. key and known are from
// RowKey: if the key is not known, the event is a barrier of its table.
func (c *Chunk) Event(source, output string, state Table, row pgconn.Row, key string, known bool) *event.Event {
	origin := "row"
	if row.Flag {
		origin = "overlap"
	}
	e := &event.Event{
		ID: state.RowID(c.Table, row.Key), Source: source, Channel: c.Table, Key: key, Time: time.Now(),
		Data:  pgconn.ReadPayload(output, c.Table, origin, row.Data),
		Attrs: []event.Attr{{Name: event.AttrTable, Value: c.Table}, {Name: "operation", Value: "READ"}, {Name: "snapshot", Value: origin}},
	}
	if !known {
		e.Attrs = append(e.Attrs, event.Attr{Name: event.AttrBarrier, Value: c.Table})
	}
	return e
}
