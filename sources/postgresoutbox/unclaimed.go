package postgresoutbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"eventgateway/gateway/pgtrigger"
)

// Several readers may share an outbox, each with tables of its own. A change is unclaimed if no reader
// has its table: the table may have been renamed, or omitted by mistake. It stays in the outbox
// until a reader gets the table, and delays no other change.

const (
	// maxUnclaimed bounds the unclaimed changes, beyond which the oldest are deleted: else a
	// forgotten trigger would fill the disk.
	maxUnclaimed  = 10_000
	maxTrim       = 100_000 // rows at once
	trimWarnEvery = 10 * time.Minute
)

// tablesReadSQL is the tables of all readers in gateway.outbox_reader; NULL if one reads all, or is of an
// older version.
const tablesReadSQL = `(SELECT CASE WHEN bool_and(r.snapshot->'reads' IS NOT NULL) THEN array_agg(DISTINCT t.name) END
	FROM gateway.outbox_reader r LEFT JOIN LATERAL json_array_elements_text(r.snapshot->'reads') t(name) ON true)`

// addedTableRangesSQL finds ranges of ids above $4, up to $1, of tables that this reader has now ($2; empty for
// all) and did not have before ($3). No range includes other changes.
const addedTableRangesSQL = `SELECT min(id), max(id) FROM (SELECT id, mine, count(*) FILTER (WHERE NOT mine) OVER (ORDER BY id) AS part
	FROM (SELECT id, NOT tbl = ANY ($3::text[]) AND (cardinality($2::text[]) = 0 OR tbl = ANY ($2)) AS mine FROM gateway.outbox WHERE id > $4 AND id <= $1) o) p
	WHERE mine GROUP BY part ORDER BY 1`

// updateTables notes the tables of this reader. Changes of added tables that are in the outbox become
// pending, so that they are read in order.
func (r *reader) updateTables(ctx context.Context) error {
	before, now := r.snapshot.Reads, slices.Sorted(maps.Keys(r.s.tables))
	r.snapshot.Reads = now
	if slices.Equal(before, now) {
		return nil
	}
	if added := slices.ContainsFunc(now, func(t string) bool { return !slices.Contains(before, t) }); before != nil && (added || len(now) == 0) {
		ranges, err := r.rangesOfAddedTables(ctx, before, append([]string{}, now...))
		if err != nil {
			return fmt.Errorf("cannot find changes of added tables: %w", err)
		}
		r.cursor.reopen(ranges)
	}
	r.dirty = true
	return nil
}

// rangesOfAddedTables returns the ranges of changes of added tables. The outbox may be large, so it
// queries part by part, each within the answer timeout.
func (r *reader) rangesOfAddedTables(ctx context.Context, before, now []string) (ranges []idRange, err error) {
	for from := max(r.reuse.belowLowest, 0); from < r.cursor.high; from += r.s.maxCheckIDs {
		found, err := r.queryRanges(ctx, addedTableRangesSQL, min(from+r.s.maxCheckIDs, r.cursor.high), now, before, from)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, found...)
	}
	return ranges, nil
}

// skip counts a change that is not emitted, and reports a gap once for each unclaimed table.
func (r *reader) skip(ctx context.Context, table string) error {
	r.s.skipped.Inc()
	if r.s.unclaimed[table] {
		return nil
	}
	if checked, known := r.tablesOfOthers[table]; known && time.Since(checked) < r.s.measureEvery {
		return nil
	}
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var claimed bool
	if err := r.conn.QueryRow(ctx, "SELECT coalesce($1 = ANY ("+tablesReadSQL+"::text[]), true)", table).Scan(&claimed); err != nil {
		return fmt.Errorf("cannot read the tables of the readers: %w", err)
	}
	if r.tablesOfOthers[table] = time.Now(); !claimed {
		r.s.unclaimed[table] = true
		r.out.Gap(fmt.Sprintf("changes of %s are not delivered: no reader has this table. The latest %d stay in gateway.outbox: add it to tables, or, where they are of no use, gateway sql --mode outbox --table %s --drop --apply and DELETE FROM gateway.outbox WHERE tbl = %s",
			table, maxUnclaimed, pgtrigger.ShellArg(pgtrigger.QuoteQualified(table)), pgtrigger.QuoteLiteral(table)))
	}
	return nil
}

// trimUnclaimed counts the unclaimed changes, and deletes the oldest beyond maxUnclaimed.
func (r *reader) trimUnclaimed(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var unclaimed, deleted int64
	err := r.conn.QueryRow(ctx, `WITH kept AS MATERIALIZED (SELECT coalesce(range_agg(g), '{}') AS ids FROM `+r.attachedReadersSQL()+` r CROSS JOIN LATERAL unnest(r.gaps) g),
		unread AS (SELECT o.id FROM gateway.outbox o, (SELECT min(hi) AS hi, `+tablesReadSQL+` AS tables, `+waitShortlySQL+` AS wait FROM `+r.attachedReadersSQL()+` r) d, kept WHERE o.id <= d.hi AND NOT o.tbl = ANY (d.tables)
			AND NOT o.id <@ kept.ids ORDER BY o.id DESC LIMIT $1::bigint + $2::bigint),
		gone AS (DELETE FROM gateway.outbox WHERE id = ANY (ARRAY(SELECT id FROM unread ORDER BY id DESC OFFSET $1::bigint)) RETURNING id)
		SELECT (SELECT count(*) FROM unread), (SELECT count(*) FROM gone)`, r.s.maxUnclaimed, maxTrim).Scan(&unclaimed, &deleted)
	if isLockTimeout(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot count unclaimed changes: %w", err)
	}
	r.s.unclaimedRows.Set(float64(unclaimed - deleted))
	r.s.unclaimedDeleted.Add(float64(deleted))
	if deleted > 0 && time.Since(r.trimWarnedAt) > trimWarnEvery {
		r.trimWarnedAt = time.Now()
		r.s.log.Warn("unclaimed changes deleted", "deleted", deleted, "remaining", unclaimed-deleted)
	}
	return nil
}
