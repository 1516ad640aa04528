package postgresoutbox

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// growthSQL returns the query of the size of the outbox, its oldest change, and the slowest reader that is not detached.
func (p *probe) growthSQL() string {
	readers := "gateway.outbox_reader"
	if p.bounds {
		readers = "(SELECT r.* FROM gateway.outbox_reader r WHERE " + notDetachedSQL + ")"
	}
	return strings.ReplaceAll(`SELECT pg_size_pretty(pg_total_relation_size('gateway.outbox')),
	coalesce((SELECT extract(epoch FROM clock_timestamp() - at) FROM gateway.outbox WHERE id > (SELECT coalesce(min(low), 0) FROM READERS r) ORDER BY id LIMIT 1), 0)::float8,
	coalesce((SELECT name FROM READERS r ORDER BY low, saved LIMIT 1), ''),
	coalesce((SELECT extract(epoch FROM clock_timestamp() - coalesce(saved, '2000-01-01')) FROM READERS r ORDER BY low, saved LIMIT 1), 0)::float8`, "READERS", readers)
}

// bound checks that writers enforce the bound, and finds readers that are detached.
func (p *probe) bound() {
	o := p.s.opts
	if !p.bounds {
		if o.MaxAge > 0 || o.MaxBytes > 0 {
			p.add(plugin.Problem, "gateway sql --migrate --apply", "max_age and max_bytes have no effect: the SQL of the outbox is older than version %d", boundVersion)
		}
		return
	}
	rows, err := p.conn.Query(p.ctx, `SELECT DISTINCT ON (r.name) r.name, extract(epoch FROM clock_timestamp() - d.at)::float8, d.reason
		FROM gateway.outbox_reader r JOIN gateway.outbox_detached d ON d.name = r.name AND d.token = r.token ORDER BY r.name, d.at`)
	if err != nil {
		p.add(plugin.Warning, "", "cannot query the database: %v", err)
		return
	}
	var name, reason string
	var age float64
	if _, err := pgx.ForEachRow(rows, []any{&name, &age, &reason}, func() error {
		p.add(plugin.Warning, fmt.Sprintf("start its gateway, which reports a gap; if it is gone for good: gateway outbox drop %s", pgtrigger.ShellArg(name)),
			"the reader %s was detached %s ago, because %s: its changes are lost", name, formatSeconds(age), reason)
		return nil
	}); err != nil {
		p.add(plugin.Warning, "", "cannot query the database: %v", err)
	}
}
