package postgresoutbox

import (
	"fmt"

	"eventgateway/gateway/plugin"
)

// sequenceStateSQL reads the state of the sequence, and the changes that it was set back below. Of the reader $1 it counts
// changes that have passed ids and were not read.
const sequenceStateSQL = `SELECT s.seqcache, s.last, coalesce((SELECT max(hi) FROM gateway.outbox_reader), 0), (SELECT count(*) FROM gateway.outbox WHERE id > s.last),
	(SELECT count(*) FROM gateway.outbox o JOIN gateway.outbox_reader r ON r.name = $1 AND o.id <= r.hi AND NOT o.id <@ r.gaps
		WHERE NOT pg_visible_in_snapshot(o.xid, (r.snapshot->>'seen')::pg_snapshot))
	FROM (SELECT seqcache, coalesce(pg_sequence_last_value(seqrelid), 0) AS last FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('gateway.outbox', 'id')::regclass) s`

// sequence checks that the outbox's sequence has no cache, and was not set back.
func (p *probe) sequence() {
	var cache, last, high, above, reused int64
	if !p.row(sequenceStateSQL, []any{p.s.opts.Name}, &cache, &last, &high, &above, &reused) {
		return
	}
	if err := checkCache(cache); err != nil {
		p.add(plugin.Problem, "", "%v", err)
		return
	}
	const effect = "the source starts again from what is in the outbox, and reports a gap"
	switch {
	case above > 0:
		p.add(plugin.Warning, "start the gateways of all readers: changes are deleted once all have delivered them; do not set the sequence forward before, because these changes are read first only while they are above it",
			"the sequence of gateway.outbox went back to %d, below %d changes that are in the outbox: a write that draws the id of one of them fails", last, above)
	case last < high:
		p.add(plugin.Warning, "", "%s: %s", sequenceRewound(last, high), effect)
	case reused > 0:
		p.add(plugin.Warning, "", "the sequence of gateway.outbox went back, and repeated ids: %d changes were written after their ids had been read: %s", reused, effect)
	default:
		p.ok("the sequence is at %d, and has no cache", last)
	}
}

// checkCache returns an error if the outbox's sequence has a cache.
func checkCache(cache int64) error {
	if cache != 1 {
		return fmt.Errorf("the sequence of gateway.outbox has CACHE %d, with which changes are lost: ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 1", cache)
	}
	return nil
}
