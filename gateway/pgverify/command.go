// Package pgverify implements the command `gateway verify`, which compares a table with the changes that a receiver got.
//
// Invariants:
//   - Of each key the last event counts. An event that is older than the latest one of its row, by their IDs, counts as a repeat.
//   - Rows are compared as their JSON text, byte for byte but for white space between tokens.
//   - Neither the rows of the table nor those that were received stay in memory: only a hash for each key.
//   - Rows are read by [pgconn.RowReader], so that code of a table's owner gets no rights of others.
package pgverify

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Command is `gateway verify`.
func Command() plugin.Command {
	return plugin.Command{
		Name:    "verify",
		Summary: "Compare a table with what a receiver got of its changes",
		Help: `Compares the rows of a table at --url, or at DATABASE_URL, with the events that a
receiver got, and prints what differs: missing (in the table, and not received), extra
(received, and not in the table), different (both, with the names of the columns).

--received names a file as the sink file writes it, with its payloads or whole events,
and reads the files beside it that the sink has renamed, also compressed by gzip.
Other files of such lines do as well; - is the standard input. --stream names a Redis
stream as the sink redis-stream writes it. Payloads are those of output: order or
change, also with further fields; --field is the field of the row in output: order.

The last event of each key counts: INSERT, UPDATE and READ are its row, DELETE none, and
TRUNCATE none of any key. An event may come again, also after newer ones: by the IDs that
sources give, it counts only if it is newer than the latest one of its row. Events
without such an ID count in the order in which they were received. An event without a
table counts for this one. Where an event shows no former key (output: order without
attributes), a row whose key was changed is extra under the former one.

Rows are compared as JSON text, byte for byte but for white space between tokens. The
columns in the attributes incomplete and read_back are not compared. What differs is
compared again after --wait, with the lines and entries that have come since.

The table is read in one snapshot, in the order of its primary key. --where is SQL, with
the rights of the URL's role; rows that were received are extra then only if the table
has none of their key. --sample compares random rows of the table, and as many random
ones of those that were received.

Each key takes about 70 bytes and its own text: ten million keys of 20 bytes take about
1 GB. Values are printed only with --values, because they may be secret. The columns of a
row from the standard input are not named, because it cannot be read twice.

The exit status is 0 if all is equal, 1 if something differs, 2 if it could not be
compared.`,
		Example: `  gateway verify --table orders --received /var/lib/receiver/orders.jsonl
  gateway verify --table orders --stream orders --redis redis://localhost:6379
  zcat orders.jsonl.gz | gateway verify --table orders --received - --sample 1000
  gateway verify --table orders --received orders.jsonl --where "created_at > now() - interval '1 day'"`,
		New: newCommand,
	}
}

// exitFailed is the exit status where the table could not be compared.
const exitFailed = 2

// names is a flag that may be given several times.
type names []string

func (n *names) String() string { return "" }

// Set is part of [flag.Value].
func (n *names) Set(text string) error {
	*n = append(*n, text)
	return nil
}

// request holds the flags.
type request struct {
	settings
	table, field, url, owners string
	received                  names
	stream, redis             string
	values, json              bool
}

func newCommand(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
	var r request
	f.StringVar(&r.table, "table", "", "`table` to compare: orders, shop.orders, or with quotes \"Shop\".\"Orders\"")
	f.Var(&r.received, "received", "`file` with the events that were received, - for the standard input; may be given several times, in their order")
	f.StringVar(&r.stream, "stream", "", "Redis `stream` with the events")
	f.StringVar(&r.redis, "redis", "", "`URL` of the Redis with the stream; REDIS_URL where it is not given")
	f.StringVar(&r.field, "field", "order", "`field` of a payload that holds the row")
	f.IntVar(&r.sample, "sample", 0, "compare this `number` of random rows; 0 is all")
	f.StringVar(&r.where, "where", "", "SQL `condition` of the rows; all of them where it is not given")
	f.StringVar(&r.owners, "owners", "", "`roles`, with commas, beside that of the URL and superusers, whose tables are read, as the option owners")
	f.StringVar(&r.url, "url", "", "`URL` of the database; DATABASE_URL where it is not given")
	f.DurationVar(&r.wait, "wait", 5*time.Second, "`time` after which differences are compared again")
	f.IntVar(&r.limit, "limit", 50, "`number` of differences to print")
	f.BoolVar(&r.values, "values", false, "print the values of columns that differ")
	f.BoolVar(&r.json, "json", false, "print one line of JSON for each difference, and one with the totals")
	return func(ctx context.Context, in plugin.Invocation) error {
		defer debug.SetGCPercent(debug.SetGCPercent(10)) // rows are garbage at once, and the keys stay
		different, err := r.run(ctx, in)
		switch {
		case err != nil:
			return plugin.WithExitStatus(err, exitFailed)
		case different > 0:
			return plugin.WithExitStatus(fmt.Errorf("differences: %d", different), 1)
		}
		return nil
	}
}

// check returns an error for flags that cannot be used.
func (r *request) check(in plugin.Invocation) error {
	switch {
	case len(in.Args) > 0:
		return fmt.Errorf("%q is no flag: write gateway verify --table TABLE --received FILE", in.Args[0])
	case r.table == "":
		return errors.New("--table is required: gateway verify --table orders --received orders.jsonl")
	case len(r.received) == 0 && r.stream == "":
		return errors.New("what was received is missing: give --received FILE, or --stream NAME")
	case len(r.received) > 0 && r.stream != "":
		return errors.New("--received and --stream are different receivers: give one of them")
	case r.stream == "" && r.redis != "":
		return errors.New("--redis is for --stream: give both")
	case r.sample < 0 || r.limit < 0 || r.wait < 0:
		return errors.New("--sample, --limit and --wait are not negative")
	}
	return nil
}

// run compares, prints the result, and returns how many keys differ.
func (r *request) run(ctx context.Context, in plugin.Invocation) (different int, err error) {
	if err := r.check(in); err != nil {
		return 0, err
	}
	inputs, err := r.inputs(in)
	defer func() {
		for _, i := range inputs {
			i.close()
		}
	}()
	if err != nil {
		return 0, err
	}
	conn, url, err := pgtrigger.Connect(ctx, in, r.url, "verify")
	if err != nil {
		return 0, err
	}
	var owners []string
	if r.owners != "" {
		owners = strings.Split(r.owners, ",")
	}
	t, err := openTable(ctx, conn, url, r.table, owners)
	if err != nil {
		pgconn.Close(conn)
		return 0, fmt.Errorf("at %s: %w", url, err)
	}
	defer t.close()
	v := &verification{settings: r.settings, inputs: inputs, table: t,
		comparison: newComparison(newChangeReader(t.name.Qualified(), r.field, t.query.Key))}
	if err := v.run(ctx); err != nil {
		return 0, err
	}
	found := v.totals()
	if found.Events+found.Others == 0 && found.Unknown > 0 {
		return 0, fmt.Errorf("nothing that was received is an event of a row: %s", v.counts.firstUnknown)
	}
	list, err := v.list(ctx, r.values)
	if err != nil {
		return 0, err
	}
	if r.json {
		err = printJSON(in.Out, found, list)
	} else {
		err = printText(in.Out, found, list, r.values)
	}
	return found.differences(), err
}

// inputs opens what was received.
func (r *request) inputs(in plugin.Invocation) (all []input, err error) {
	for _, path := range r.received {
		var one input = &pipeInput{name: "standard input", in: io.NopCloser(in.In)}
		if path != "-" {
			if one, err = openFile(path); err != nil {
				return all, err
			}
		}
		all = append(all, one)
	}
	if r.stream == "" {
		return all, nil
	}
	raw := r.redis
	if raw == "" {
		value, set, err := in.Lookup("REDIS_URL")
		if err != nil {
			return all, err
		}
		if !set || value == "" {
			return all, errors.New("--stream needs a Redis: give --redis, or set REDIS_URL")
		}
		raw = value
	}
	var url options.URL
	if err := url.UnmarshalText([]byte(raw)); err != nil {
		return all, fmt.Errorf("the URL of the Redis %w", err)
	}
	config, err := redisconn.Parse(url)
	if err != nil {
		return all, fmt.Errorf("the URL of the Redis %w", err)
	}
	return append(all, newStreamInput(config.NewClient(), r.stream)), nil
}
