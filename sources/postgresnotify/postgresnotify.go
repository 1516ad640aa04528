// Package postgresnotify is the source postgres-notify: the notifications of
// PostgreSQL channels (LISTEN/NOTIFY).
package postgresnotify

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/gauge"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// Options of the source.
type Options struct {
	URL       options.URL      `koanf:"url" rule:"required,scheme=postgres|postgresql,embedded=postgres" doc:"where PostgreSQL is: postgres://user:password@host:5432/database"`
	Channels  []string         `koanf:"channels" rule:"min=1" doc:"channels to listen to, each up to 63 bytes"`
	Tables    []string         `koanf:"tables" doc:"tables whose rows over 7,999 bytes are fetched: orders, shop.orders, or with quotes \"Shop\".\"Orders\""`
	Owners    []string         `koanf:"owners" doc:"roles, beside that of the url and superusers, that are trusted as owners of trigger functions and of tables whose rows are fetched"`
	Heartbeat options.Duration `koanf:"heartbeat" rule:"min=50ms,max=5m" doc:"interval of checks of an idle connection; the answer must arrive within two seconds"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url":    "A pooler in between must keep sessions",
		"tables": "Empty: all that have a trigger of gateway sql for a channel",
		"owners": "The owner of a table can run code with the rights of the role that reads it. A superuser reads the tables of others with their rights",
	}
}

// maxChannel is the longest channel name in bytes. LISTEN truncates longer ones without
// an error, and pg_notify refuses them (PostgreSQL's NAMEDATALEN - 1).
const maxChannel = 63

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	for i, c := range o.Channels {
		if c == "" || len(c) > maxChannel {
			report(fmt.Sprintf("channels[%d]", i), fmt.Sprintf("a channel name has 1 to %d bytes", maxChannel))
		}
	}
	for i, text := range o.Tables {
		if _, err := pgtrigger.ParseTable(text); err != nil {
			report(fmt.Sprintf("tables[%d]", i), err.Error())
		}
	}
}

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("postgres-notify", "Notifications of PostgreSQL channels (LISTEN/NOTIFY).",
		func() Options { return Options{Heartbeat: options.Duration(5 * time.Second)} }, build).With(plugin.ElectsLeader).WithCommand(pgtrigger.Command())
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := pgconn.PrimaryConfig(o.URL, env.Name)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	usage := gauge.NewLastingValue("gateway_postgres_notification_queue_usage",
		"Part of the server's notification queue that is in use; at 1 the users' commits fail (pg_notification_queue_usage).")
	unfetched := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_postgres_unfetched_rows_total", Help: "Events of rows over 7,999 bytes that have at most the key, because the row could not be read.",
	})
	s := &source{unfetched: unfetched, Elector: pgconn.Elector{Config: conn, URL: o.URL, Log: env.Log, Owners: o.Owners}, opts: o, conn: conn, name: env.Name, log: env.Log, usage: usage, clock: gauge.NewPostgresClockOffset(), tables: map[string]bool{}}
	for _, text := range o.Tables {
		t, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		s.tables[t.String()] = true
	}
	return s, errors.Join(env.Metrics.Register(usage), env.Metrics.Register(unfetched), env.Metrics.Register(s.clock))
}

type source struct {
	pgconn.Elector
	opts   Options
	conn   *pgconn.SessionConfig
	name   string
	log    *slog.Logger
	tables map[string]bool // quoted; empty: all
	usage  *gauge.Value
	clock  gauge.ClockOffset

	unfetched prometheus.Counter

	pid            uint32 // of the server's process that serves the session: only the goroutine of Run
	listenedBefore bool   // listening before: only the goroutine of Run
	triggerCreated bool   // the trigger in the private server: only the goroutine of Run
	warnedTriggers bool   // of trigger functions: only the goroutine of Run
}
