// Package lookup is the transform lookup: it puts what a PostgreSQL query finds into
// the payload.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	URL     options.URL       `koanf:"url" rule:"required,scheme=postgres|postgresql,embedded=postgres" doc:"postgres:// URL of the database"`
	Query   string            `koanf:"query" rule:"required" doc:"SELECT that finds at most one row, with $1, $2 ... for params"`
	Params  []expr.Expression `koanf:"params" doc:"expressions over the payload, for $1, $2 ...; their values are sent beside the query and never become a part of it"`
	Into    rawjson.Path      `koanf:"into" rule:"required" doc:"field that gets the row as an object of its columns"`
	Missing string            `koanf:"missing" rule:"oneof=null|drop|error" doc:"what happens to an event for which there is no row"`
	Timeout options.Duration  `koanf:"timeout" rule:"min=1ms" doc:"how long a query may take, connecting included"`
	Cache   Cache             `koanf:"cache"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"missing": "The field is null, the event is dropped, or it is an error",
	}
}

// Cache holds the options of the cache.
type Cache struct {
	Size int              `koanf:"size" rule:"min=0" doc:"number of cached rows, including those that were not found"`
	TTL  options.Duration `koanf:"ttl" doc:"how long a row is cached, and so how old it may be"`
}

// Docs is part of [options.Documented].
func (Cache) Docs() map[string]string {
	return map[string]string{
		"size": "Beyond it the least recently used row is evicted. 0 disables the cache",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("lookup", "Puts what a PostgreSQL query finds into the payload.",
		func() Options {
			return Options{Missing: "null", Timeout: options.Duration(5 * time.Second), Cache: Cache{10_000, options.Duration(time.Minute)}}
		}, build).With(plugin.KeepsFields)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	config, err := pgconn.Config(o.URL, env.Name)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if n := parameters(o.Query); n != len(o.Params) {
		return nil, &plugin.OptionError{Option: "params", Err: fmt.Errorf("the query has %d parameters: write an expression for each of $1, $2 ..., not %d", n, len(o.Params))}
	}
	if o.Into.HasWildcard() {
		return nil, &plugin.OptionError{Option: "into", Err: errors.New("a row needs one field: write a path without *")}
	}
	t := &transform{
		opts: o, eval: expr.NewEvaluator(env.Now, env.NewID), params: make([]any, len(o.Params)),
		db: &database{config: config, sql: rowQuery(o.Query), settingsSQL: settingsSQL(config)}, cache: newCache(o.Cache, env.Now),
	}
	t.edit.Add(o.Into, rawjson.Change{Create: true, Value: func(dst, _ []byte) ([]byte, error) { return append(dst, t.row...), nil }})
	return t, nil
}

type transform struct {
	opts   Options
	eval   expr.Evaluator
	db     *database
	cache  *cache
	edit   rawjson.Edit
	params []any  // text, or nil
	key    []byte // of the cache
	row    []byte // for the current event
}

var errNoRow = errors.New("there is no row for it")

// Apply is part of [plugin.Transform].
func (t *transform) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	if err := t.evaluate(e); err != nil {
		return err
	}
	var known bool
	if t.row, known = t.cache.get(t.key); !known {
		ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout.D())
		defer cancel()
		var err error
		if t.row, err = t.db.findRow(ctx, t.params); err != nil {
			return err
		}
		t.cache.put(t.key, t.row)
	}
	if t.row == nil {
		switch t.opts.Missing {
		case "drop":
			return nil
		case "error":
			return errNoRow
		}
		t.row = []byte("null")
	}
	data, err := t.edit.Apply(e.Data, len(t.row)+len(t.opts.Into.String())+8)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}

// evaluate sets params, and key to an unambiguous encoding of them.
func (t *transform) evaluate(e *event.Event) error {
	t.key = t.key[:0]
	for i, p := range t.opts.Params {
		text, isNil, err := t.eval.Text(nil, p, e)
		if err != nil {
			return fmt.Errorf("params[%d]: %w", i, err)
		}
		if isNil {
			t.params[i], t.key = nil, append(t.key, 0)
			continue
		}
		t.params[i] = string(text)
		t.key = append(fmt.Appendf(t.key, "%d:", len(text)), text...)
	}
	return nil
}

// Close is part of [plugin.Closer].
func (t *transform) Close(ctx context.Context) error { return t.db.close(ctx) }
