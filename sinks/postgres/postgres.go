// Package postgres is the sink postgres: it writes events into a table of PostgreSQL, as rows that expressions describe.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	URL       options.URL                  `koanf:"url" rule:"required,scheme=postgres|postgresql,embedded=postgres" doc:"where PostgreSQL is: postgres://user:password@host:5432/database"`
	Table     string                       `koanf:"table" rule:"required" doc:"table to write to: orders, shop.orders, or with quotes \"Shop\".\"Orders\""`
	Columns   options.Map[expr.Expression] `koanf:"columns" rule:"min=1" doc:"column: expression over the payload"`
	Mode      string                       `koanf:"mode" rule:"oneof=insert|upsert" doc:"insert adds a row for each event; upsert replaces the row with the same key"`
	Key       []string                     `koanf:"key_columns" doc:"columns of a primary key or of a unique index; needed by upsert and delete"`
	Delete    expr.Condition               `koanf:"delete" doc:"condition: an event for which it holds deletes the row with its key: 'operation == \"DELETE\"'"`
	Delivered string                       `koanf:"delivered" doc:"table with the IDs of events that were written; an event whose ID is in it is not written again"`
	Remember  options.Duration             `koanf:"remember" rule:"min=1m" doc:"how long IDs stay in the table delivered"`
	Owners    []string                     `koanf:"owners" doc:"roles whose code may run with the rights of the sink's role, besides superusers and that role"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"columns": "A field that does not exist is NULL, as in order?.note. Other columns of the table get their default in a new row, and keep their value in one that is replaced",
		"mode":    "Without delivered, insert writes an event again that was redelivered, and upsert replaces its row by the same one",
	}
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("postgres", "Writes events into a table of PostgreSQL.",
		func() Options { return Options{Mode: "insert", Remember: options.Duration(7 * 24 * time.Hour)} }, build).With(plugin.Durable).WithMaxBatch(maxBatch)
}

// maxBatch bounds the events of a transaction.
const maxBatch = 1000

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	config, err := pgconn.PrimaryConfig(o.URL, env.Name)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	s := &sink{opts: o, config: config, now: env.Now, log: env.Log, eval: expr.NewEvaluator(env.Now, env.NewID)}
	for _, c := range o.Columns {
		s.names = append(s.names, c.Key)
	}
	switch needed := o.Mode == "upsert" || !o.Delete.IsZero(); {
	case needed && len(o.Key) == 0:
		return nil, &plugin.OptionError{Option: "key_columns", Err: errors.New("is empty: name the columns of the primary key, by which rows are replaced and deleted")}
	case !needed && len(o.Key) > 0:
		return nil, &plugin.OptionError{Option: "key_columns", Err: errors.New("is not used: set mode: upsert, or delete")}
	}
	for _, name := range o.Key {
		i := slices.Index(s.names, name)
		if i < 0 {
			return nil, &plugin.OptionError{Option: "key_columns", Err: fmt.Errorf("%s is not in columns: add its expression there", name)}
		}
		s.key = append(s.key, i)
	}
	return s, nil
}

type sink struct {
	opts   Options
	config *pgconn.SessionConfig
	now    func() time.Time
	log    *slog.Logger
	eval   expr.Evaluator
	names  []string // of the columns
	key    []int    // indexes in names of the columns of the key

	conn       *pgx.Conn  // nil: none
	statements statements // for the table as it was when conn was made
	marked     int        // IDs that were stored since old ones were deleted
	forgotten  time.Time  // when old IDs were deleted last
	sampler    logsample.Sampler
}

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error { return s.connect(ctx) }

// Ping is part of [plugin.Pinger].
func (s *sink) Ping(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.conn.Ping(ctx); err != nil {
		s.disconnect()
		return pgconn.Unavailable(err)
	}
	return nil
}

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error {
	s.disconnect()
	return nil
}

// connect opens a session and looks the table up, unless there is a session.
func (s *sink) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	s.disconnect()
	conn, err := pgconn.Connect(ctx, s.config)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	table, err := s.lookUp(ctx, conn)
	if err != nil {
		pgconn.Close(conn)
		return err
	}
	s.conn, s.statements = conn, s.statementsFor(table)
	return nil
}

func (s *sink) disconnect() {
	if s.conn != nil {
		pgconn.Close(s.conn)
		s.conn = nil
	}
}

// columnList returns quoted names, each with a prefix.
func columnList(prefix string, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = prefix + pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}
