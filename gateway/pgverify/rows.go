package pgverify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
)

// Bounds of the reading of rows.
const (
	pageTimeout   = 30 * time.Second
	scanTimeout   = 10 * time.Minute // of the statement that reads all keys for a sample
	firstPageRows = 64               // few, because they may be large
	maxPageRows   = 16384            // a page costs about 10 ms, however few rows it has
	maxPageBytes  = 4 << 20          // beyond which a page has no further row
	slowPage      = 5 * time.Second
)

// allRows calls f with the rows of the table in the snapshot, in the order of the key.
func (t *table) allRows(ctx context.Context, f func(pgconn.Row) error) error {
	var after []string
	for {
		size := 0
		rows, full, err := t.page(ctx, t.snapshot, func(q pgconn.KeyQuery) string { return q.PageSQL(2, after != nil) }, func(n int) []string {
			size = n
			return append([]string{strconv.Itoa(n)}, after...)
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
		if len(rows) < size && !full {
			return nil
		}
		after = rows[len(rows)-1].Key
	}
}

// rowsOf calls f with the rows of keys that exist in a snapshot, or now if snapshot is "". Their order is not that of the keys. With
// tolerant, a key with a value that its column cannot have is of no row; else that is an error.
func (t *table) rowsOf(ctx context.Context, snapshot string, keys [][]string, tolerant bool, f func(pgconn.Row) error) error {
	for len(keys) > 0 {
		var asked [][]string
		rows, full, err := t.page(ctx, snapshot, pgconn.KeyQuery.RowsSQL, func(n int) []string {
			asked = keys[:min(n, len(keys))]
			text, _ := json.Marshal(asked) // texts always encode
			return []string{string(text)}
		})
		switch {
		case tolerant && isDataError(err) && len(asked) == 1:
			rows = nil
		case tolerant && isDataError(err):
			t.pageRows = max(len(asked)/2, 1)
			continue
		case err != nil:
			return err
		case full && len(asked) > 1 && len(rows) < len(asked): // which rows are not there is not known
			continue
		}
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
		keys = keys[len(asked):]
	}
	return nil
}

// page reads the rows of a query in a transaction of its own. Its arguments depend on how many rows it should return. full reports
// whether it has returned as many bytes as it may, so that there may be further rows; the next page has fewer then.
func (t *table) page(ctx context.Context, snapshot string, sql func(pgconn.KeyQuery) string, args func(size int) []string) (rows []pgconn.Row, full bool, err error) {
	begun := time.Now()
	rows, bytes, err := t.read(ctx, snapshot, sql, args(t.pageRows), maxPageBytes)
	for t.pageRows > 1 && isTimeout(err) && ctx.Err() == nil {
		t.pageRows = max(t.pageRows/16, 1)
		rows, bytes, err = t.read(ctx, snapshot, sql, args(t.pageRows), maxPageBytes)
	}
	if err != nil {
		return nil, false, err
	}
	full = bytes >= maxPageBytes
	switch took := time.Since(begun); {
	case took > slowPage:
		t.pageRows = max(t.pageRows/4, 1)
	case full:
		t.pageRows = max(len(rows)/2, 1)
	case bytes < maxPageBytes/4:
		t.pageRows = min(4*t.pageRows, maxPageRows)
	}
	return rows, full, nil
}

// read runs a query in a transaction of its own. It returns no more rows once they have maxBytes bytes; 0 is no bound.
func (t *table) read(ctx context.Context, snapshot string, sql func(pgconn.KeyQuery) string, args []string, maxBytes int) (rows []pgconn.Row, bytes int, err error) {
	tx, err := t.reader.Begin(ctx, t.query.Table, snapshot, func(key []pgconn.KeyColumn, partitioned bool) (string, error) {
		if !slices.Equal(key, t.query.Key) {
			return "", pgconn.ErrChanged
		}
		return sql(pgconn.KeyQuery{Table: t.query.Table, Partitioned: partitioned, Key: key}), nil
	})
	if err == nil {
		defer tx.End(ctx)
		err = tx.Run(ctx, args)
	}
	if err == nil {
		rows, err = tx.Rows(ctx, maxBytes)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read rows: %w", pgconn.Summarize(err))
	}
	for _, row := range rows {
		bytes += len(row.Data)
	}
	return rows, bytes, nil
}

// isTimeout reports whether the server has ended a statement because of its timeout.
func isTimeout(err error) bool { return hasState(err, "57014") }

// isDataError reports whether the server could not read a value.
func isDataError(err error) bool { return hasState(err, "22") || hasState(err, "23514") }

// hasState reports whether the server has refused a statement with a SQLSTATE that begins with a prefix.
func hasState(err error, prefix string) bool {
	var refused *pg.PgError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Code, prefix)
}

// keyValues returns the values in the text of a key, as the columns of the key read them.
func (t *table) keyValues(text string) []string {
	if len(t.query.Key) == 1 {
		return []string{text}
	}
	var values []string
	var value strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			value.WriteByte(text[i])
		case text[i] == ',':
			values = append(values, value.String())
			value.Reset()
		default:
			value.WriteByte(text[i])
		}
	}
	return append(values, value.String())
}
