package pgtrigger

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// walStatus is what a database has for the source postgres-wal.
type walStatus struct {
	installed bool // the table of the readers' positions exists
	tables    []publishedTable
	slots     []slotStatus
}

// publishedTable is a table of a publication. Names are quoted.
type publishedTable struct{ Publication, Table, Identity string }

// publishedTablesSQL finds the tables of all publications, as a subscriber sees them. A table without a primary key
// has no identity by default.
const publishedTablesSQL = `SELECT quote_ident(p.pubname), coalesce(format('%I.%I', t.schemaname, t.tablename), ''),
	CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'd' THEN 'default' WHEN 'i' THEN 'index' WHEN 'n' THEN 'nothing' ELSE '' END
	FROM pg_publication p LEFT JOIN pg_publication_tables t ON t.pubname = p.pubname
	LEFT JOIN pg_namespace n ON n.nspname = t.schemaname LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename ORDER BY 1, 2`

// slotStatus is a slot that a source could read.
type slotStatus struct {
	Name     string
	Active   bool
	Status   string // wal_status
	Retained string // WAL that the server keeps for it
}

const slotsSQL = `SELECT slot_name::text, active, coalesce(wal_status, ''), coalesce(pg_size_pretty(CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END), '')
	FROM pg_replication_slots WHERE plugin = 'pgoutput' AND database = current_database() ORDER BY 1`

// findWAL returns what the database has for the source postgres-wal.
func findWAL(ctx context.Context, conn *pgx.Conn) (w walStatus, err error) {
	err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'gateway' AND c.relname = 'wal_reader')").Scan(&w.installed); err != nil || !w.installed {
			return err
		}
		rows, err := tx.Query(ctx, publishedTablesSQL)
		if err == nil {
			w.tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[publishedTable])
		}
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, slotsSQL); err == nil {
			w.slots, err = pgx.CollectRows(rows, pgx.RowToStructByPos[slotStatus])
		}
		return err
	})
	if err != nil {
		return w, fmt.Errorf("cannot read the publications and slots: %w", err)
	}
	return w, nil
}

// print prints the publications with their tables, and the slots.
func (w walStatus) print(out io.Writer) error {
	if !w.installed {
		return nil
	}
	tabs := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tabs, "PUBLICATION\tTABLE\tREPLICA IDENTITY")
	for _, t := range w.tables {
		fmt.Fprintf(tabs, "%s\t%s\t%s\n", t.Publication, t.Table, t.Identity)
	}
	if err := tabs.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(tabs, "SLOT\tACTIVE\tWAL STATUS\tRETAINED WAL")
	for _, s := range w.slots {
		fmt.Fprintf(tabs, "%s\t%t\t%s\t%s\n", s.Name, s.Active, s.Status, s.Retained)
	}
	return tabs.Flush()
}
