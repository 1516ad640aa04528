package postgreswal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// walCommand is `gateway wal`.
func walCommand() plugin.Command {
	return plugin.Command{
		Name:    "wal",
		Summary: "List the slots of the source postgres-wal, remove one, move its tables or read them again",
		Help: `list shows each slot of pgoutput in the database at --url, or at DATABASE_URL: whether
it is read and by which program, how far its reader is behind, how much WAL the server
keeps for it, and the position that the reader has stored. Slots without a position are
not of a gateway: a subscription of PostgreSQL has one, too.

drop SLOT removes a slot that is not read any more, with its position, and the server
deletes the WAL that it kept. Changes that the slot's reader has not delivered are lost to
it. A source that starts with this slot later makes a new one: it reads what is written
from then on, and existing rows where it has snapshot: initial. The role needs the
attribute REPLICATION, and DELETE on gateway.wal_reader.

move --to wal prints the SQL that moves tables from an outbox to a slot, and move --to
outbox the SQL that moves them back. With --apply it is carried out, in one transaction
that locks the tables against writers for a moment. Each change is then delivered by one
of the two sources. Name all tables of the source.

backfill has the running source of a slot read the rows of a table again, as with
snapshot: initial, with changes in between, under new IDs: for a receiver that has lost
some. It writes a message into the WAL, and the role needs UPDATE on gateway.wal_reader.`,
		Example: `  gateway wal list
  gateway wal drop old_warehouse
  gateway wal move --to wal --slot gateway --table orders --apply
  gateway wal backfill --slot gateway --table orders`,
		New: func(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
			url := f.String("url", "", "`URL` of the database; DATABASE_URL where it is not given")
			m := newMove(f)
			return func(ctx context.Context, in plugin.Invocation) error {
				if len(in.Args) == 1 && in.Args[0] == "move" {
					return m.run(ctx, in, *url)
				}
				if len(in.Args) == 1 && in.Args[0] == "backfill" && m.to == "" && !m.apply {
					return runBackfill(ctx, in, *url, m.slot, m.tables)
				}
				if m.isSet() {
					return errors.New("--to, --table and --apply are for gateway wal move, and --table is for gateway wal backfill")
				}
				return runCommand(ctx, in, *url)
			}
		},
	}
}

func runCommand(ctx context.Context, in plugin.Invocation, raw string) error {
	var do func(context.Context, plugin.Invocation, pgx.Tx) error
	switch {
	case len(in.Args) == 1 && in.Args[0] == "list":
		do = printSlots
	case len(in.Args) == 2 && in.Args[0] == "drop":
		do = dropSlot
	default:
		return errors.New("write gateway wal list, gateway wal drop SLOT, gateway wal move --to wal|outbox --table TABLE, or gateway wal backfill --table TABLE")
	}
	conn, url, err := pgtrigger.Connect(ctx, in, raw, "wal")
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	if err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return do(ctx, in, tx) }); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	return nil
}

// findSlots returns all slots of the server, with the positions of this database.
func findSlots(ctx context.Context, q querier) ([]slotRow, error) {
	positions, err := hasReaderTable(ctx, q)
	if err != nil {
		return nil, err
	}
	return listSlots(ctx, q, positions)
}

func printSlots(ctx context.Context, in plugin.Invocation, tx pgx.Tx) error {
	slots, err := findSlots(ctx, tx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(in.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tSTATE\tLAG\tRETAINED WAL\tWAL STATUS\tPOSITION\tSTORED\tREAD BY")
	for _, s := range slots {
		if s.Missing || s.Plugin == outputPlugin && s.InDatabase {
			fmt.Fprintln(w, strings.Join(s.columns(), "\t"))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var limit string
	if err := tx.QueryRow(ctx, "SELECT current_setting('max_slot_wal_keep_size')").Scan(&limit); err != nil {
		return err
	}
	if limit == "-1" {
		_, err = fmt.Fprintln(in.Out, "max_slot_wal_keep_size is -1: the server keeps the WAL of a slot until its disk is full")
		return err
	}
	_, err = fmt.Fprintf(in.Out, "max_slot_wal_keep_size is %s: the server keeps no more WAL for a slot, which is lost then\n", limit)
	return err
}

// columns returns the slot as a line of the list.
func (s slotRow) columns() []string {
	orNone := func(text string) string {
		if text == "" {
			return "-"
		}
		return text
	}
	state, lag, status, position, stored := "inactive", orNone(s.Lag), orNone(s.Status), "none", "-"
	switch {
	case s.Missing:
		state = "MISSING"
	case s.Active:
		state = fmt.Sprintf("active, pid %d", s.PID)
	case s.IdleSeconds >= 0:
		state = "inactive for " + formatSeconds(s.IdleSeconds)
	}
	if s.LagSeconds >= 0 {
		lag += ", " + formatSeconds(s.LagSeconds)
	}
	if s.Reason != "" {
		status += ": " + s.Reason
	}
	if s.Commit != "" && s.Commit != "0/0" {
		position, stored = s.Commit, "never"
		if s.Index > 0 { // within a transaction
			position += fmt.Sprintf(", change %d", s.Index)
		}
	}
	if s.StoredSeconds >= 0 {
		stored = formatSeconds(s.StoredSeconds) + " ago"
	}
	return []string{s.Name, state, lag, orNone(s.Retained), status, position, stored, orNone(s.ReadBy)}
}

// dropSlot removes a slot and its position. A slot is removed at once, and not when the transaction commits.
func dropSlot(ctx context.Context, in plugin.Invocation, tx pgx.Tx) error {
	name := in.Args[1]
	slots, err := findSlots(ctx, tx)
	if err != nil {
		return err
	}
	var s *slotRow
	for i := range slots {
		if slots[i].Name == name {
			s = &slots[i]
		}
	}
	switch {
	case s == nil:
		return fmt.Errorf("there is no slot %q: gateway wal list shows all", name)
	case !s.Stored || !s.Missing && (s.Plugin != outputPlugin || !s.InDatabase):
		return fmt.Errorf("no gateway has read the slot %s in this database: if it is of no use to other programs, remove it by SELECT pg_drop_replication_slot(%s)", name, pgtrigger.QuoteLiteral(name))
	case s.Active:
		return s.activeError()
	}
	if _, err := tx.Exec(ctx, "DELETE FROM gateway.wal_reader WHERE slot = $1", name); err != nil {
		return fmt.Errorf("cannot remove the position of the slot: %w", err)
	}
	if s.Missing {
		_, err := fmt.Fprintf(in.Out, "the position of %s is removed; the slot was missing already\n", name)
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_drop_replication_slot($1::text::name)", name); err != nil {
		if hasState(err, objectInUse) {
			return s.activeError()
		}
		return fmt.Errorf("cannot remove the slot: %w", err)
	}
	_, err = fmt.Fprintf(in.Out, "the slot %s is removed, with its position %s: its reader does not get the changes after it, in %s of WAL\n", name, s.Commit, s.Lag)
	return err
}

func (s slotRow) activeError() error {
	by := ""
	if s.ReadBy != "" {
		by = ", " + s.ReadBy + ","
	}
	return fmt.Errorf("the slot %s is active: a program%s reads it: stop that first; SELECT active_pid FROM pg_replication_slots shows its process", s.Name, by)
}

// formatSeconds returns a duration in seconds as text.
func formatSeconds(n float64) string {
	switch {
	case n < 120:
		return fmt.Sprintf("%.0f s", n)
	case n < 7200:
		return fmt.Sprintf("%.0f minutes", n/60)
	}
	return fmt.Sprintf("%.0f hours", n/3600)
}
