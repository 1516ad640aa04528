package websocket

import (
	"fmt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/rawjson"
)

// Snapshot is the option snapshot: the tables whose rows clients may request before they subscribe.
type Snapshot struct {
	URL     options.URL      `koanf:"url" rule:"scheme=postgres|postgresql,embedded=postgres" doc:"postgres:// URL of the database that has the tables"`
	Tables  []string         `koanf:"tables" doc:"tables whose rows clients may request: orders, shop.orders, or with quotes \"Shop\".\"Orders\"; empty: no snapshots"`
	Output  string           `koanf:"output" rule:"oneof=order|change" doc:"payload of a row, as postgres-outbox has it: write the same as there"`
	Remove  []rawjson.Path   `koanf:"remove" doc:"fields to remove from the payloads, such as new.note"`
	Owners  []string         `koanf:"owners" doc:"roles, beside that of the url and superusers, whose tables are read"`
	Clients int              `koanf:"clients" rule:"min=1,max=10000" doc:"bound of the snapshots at the same time"`
	Timeout options.Duration `koanf:"timeout" rule:"min=1s" doc:"how long a snapshot may take"`
}

// Docs is part of [options.Documented].
func (Snapshot) Docs() map[string]string {
	return map[string]string{
		"tables":  "Each needs a primary key",
		"remove":  "The transforms of a route do not change these payloads, so name what they remove or mask",
		"owners":  "The owner of a table can run code with the rights of the role that reads it. A superuser reads the tables of others with their rights, and needs no entry",
		"clients": "A further one is refused with status 503. Each may take 2 MiB of memory",
	}
}

// Snapshots is part of [plugin.SnapshotHandler].
func (s *sink) Snapshots() []string { return s.opts.Snapshot.Tables }

// check is part of [Options.Check].
func (o Snapshot) check(history History, report func(option, text string)) {
	for i, text := range o.Tables {
		if _, err := pgtrigger.ParseTable(text); err != nil {
			report(fmt.Sprintf("snapshot.tables[%d]", i), err.Error())
		}
	}
	switch {
	case len(o.Tables) == 0 && !o.URL.IsZero():
		report("snapshot.tables", "is required with snapshot.url: list the tables whose rows clients may request")
	case len(o.Tables) > 0 && o.URL.IsZero():
		report("snapshot.url", "is required with snapshot.tables: write the URL of their database")
	}
	if len(o.Tables) > 0 && (history.Events == 0 || history.Bytes == 0 || history.Age == 0) {
		report("history", "is needed for snapshot.tables: a client continues from the position before the snapshot")
	}
}
