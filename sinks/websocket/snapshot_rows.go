package websocket

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
)

// Bounds of the reading of rows.
const (
	snapshotSessions = 2 // that read pages, for all snapshots of a sink
	pageTimeout      = 10 * time.Second
	firstPageRows    = 32      // few, because they may be large
	maxPageRows      = 4096    // a page costs about 10 ms, however few rows it has
	maxPageBytes     = 1 << 20 // beyond which a page has no further row
	slowPage         = time.Second
	maxRewritten     = 5 // times in a row that a table may be rewritten while a page of it is read
)

// rowReaders are the sessions that read pages. A snapshot has one only while a page is read.
type rowReaders struct {
	idle    chan *pgconn.RowReader
	reading context.Context // ends when the time for a stop is over
	cut     context.CancelFunc
}

func newRowReaders(config *pgconn.SessionConfig, owners []string) *rowReaders {
	p := &rowReaders{idle: make(chan *pgconn.RowReader, snapshotSessions)}
	p.reading, p.cut = context.WithCancel(context.Background())
	for range snapshotSessions {
		p.idle <- &pgconn.RowReader{Config: config, Owners: owners, Timeout: pageTimeout}
	}
	return p
}

// closeIdle closes the sessions that read nothing. A reader opens another one when it is used again.
func (p *rowReaders) closeIdle() {
	for range snapshotSessions {
		select {
		case reader := <-p.idle:
			reader.Close()
			p.idle <- reader
		default:
			return
		}
	}
}

// pages reads the rows of a table in pages, in the order of its primary key.
type pages struct {
	pool  *rowReaders
	table string // quoted
	key   []pgconn.KeyColumn
	keys  *pgconn.KeyFinder // of key
	after []string          // the key that was read last; nil before the first page
	size  int               // rows of the next page
	done  bool
}

func newPages(pool *rowReaders, table string) *pages {
	return &pages{pool: pool, table: table, size: firstPageRows}
}

// pageRow is a row, and the JSON texts of its key.
type pageRow struct {
	data []byte
	key  [][]byte
}

// next returns the next rows, none behind the last one. The transaction has ended when it returns. The end of ctx ends
// the wait for a session. A page that is being read is read to its end, which pageTimeout bounds: to cancel it would cost the
// server a session for each client that leaves.
func (p *pages) next(ctx context.Context) ([]pageRow, error) {
	if p.done {
		return nil, ctx.Err()
	}
	var reader *pgconn.RowReader
	select {
	case reader = <-p.pool.idle:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	begun := time.Now()
	rows, err := p.readAgain(ctx, reader)
	p.pool.idle <- reader
	if err != nil {
		return nil, err
	}
	out, bytes := make([]pageRow, len(rows)), 0
	for i, row := range rows {
		values, _ := p.keys.Find(row.Data)
		out[i] = pageRow{row.Data, slices.Clone(values)}
		bytes += len(row.Data)
	}
	p.done = len(rows) < p.size && bytes < maxPageBytes
	if len(rows) > 0 {
		p.after = rows[len(rows)-1].Key
	}
	p.adjustSize(len(rows), bytes, time.Since(begun))
	return out, ctx.Err()
}

// readAgain reads a page. A page that takes too long is read again with fewer rows, and one whose table was rewritten meanwhile, as
// by a TRUNCATE, as it is then.
func (p *pages) readAgain(ctx context.Context, reader *pgconn.RowReader) (rows []pgconn.Row, err error) {
	for rewritten := 0; ; {
		rows, err = p.read(p.pool.reading, reader)
		switch {
		case ctx.Err() != nil:
			return rows, err
		case p.size > 1 && isTimeout(err):
			p.size = max(p.size/16, 1)
		case rewritten < maxRewritten && errors.Is(err, pgconn.ErrChanged):
			rewritten++
		default:
			return rows, err
		}
	}
}

// isTimeout reports whether the server has ended a statement because of its timeout.
func isTimeout(err error) bool {
	var refused *pg.PgError
	return errors.As(err, &refused) && refused.Code == "57014"
}

// read reads a page in a transaction of its own.
func (p *pages) read(ctx context.Context, reader *pgconn.RowReader) ([]pgconn.Row, error) {
	tx, err := reader.Begin(ctx, p.table, "", func(key []pgconn.KeyColumn, partitioned bool) (string, error) {
		switch {
		case len(key) == 0:
			return "", errors.New("the table has no primary key: create one, or remove the table from snapshot.tables")
		case p.key == nil:
			p.key, p.keys = key, pgconn.NewKeyFinder(key)
		case !slices.Equal(key, p.key): // p.after is of another key
			return "", pgconn.ErrChanged
		}
		return pgconn.KeyQuery{Table: p.table, Partitioned: partitioned, Key: key}.PageSQL(2, p.after != nil), nil
	})
	if err != nil {
		return nil, pgconn.Summarize(err)
	}
	defer tx.End(ctx)
	if err := tx.Run(ctx, append([]string{strconv.Itoa(p.size)}, p.after...)); err != nil {
		return nil, pgconn.Summarize(err)
	}
	rows, err := tx.Rows(ctx, maxPageBytes)
	if err != nil {
		return nil, pgconn.Summarize(err)
	}
	return rows, nil
}

// adjustSize sets the size of the next page by the size and the duration of this one.
func (p *pages) adjustSize(rows, bytes int, took time.Duration) {
	switch {
	case took > slowPage:
		p.size = max(p.size/4, 1)
	case bytes >= maxPageBytes:
		p.size = max(rows/2, 1)
	case bytes < maxPageBytes/4:
		p.size = min(4*p.size, maxPageRows)
	}
}
