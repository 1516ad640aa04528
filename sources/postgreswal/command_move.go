package postgreswal

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// move holds the flags of `gateway wal move`.
type move struct {
	to, slot string
	tables   []pgtrigger.Table
	apply    bool
}

func newMove(f *flag.FlagSet) *move {
	m := &move{}
	f.StringVar(&m.to, "to", "", "move: wal, or outbox")
	f.StringVar(&m.slot, "slot", "gateway", "move, backfill: `slot` of the source postgres-wal")
	f.BoolVar(&m.apply, "apply", false, "move: carry the SQL out")
	f.Func("table", "move, backfill: `table`, as in gateway sql; may be given several times", func(text string) error {
		table, err := pgtrigger.ParseTable(text)
		m.tables = append(m.tables, table)
		return err
	})
	return m
}

// isSet reports whether a flag is given that only a move has.
func (m *move) isSet() bool { return m.to != "" || len(m.tables) > 0 || m.apply }

// run prints or applies the SQL of the move.
func (m *move) run(ctx context.Context, in plugin.Invocation, url string) error {
	var sql string
	switch targets := []string{"wal", "outbox"}; {
	case len(m.tables) == 0:
		return errors.New("--table is required: gateway wal move --to wal --table orders")
	case len(m.slot) > 63 || !slotName.MatchString(m.slot):
		return errors.New("--slot: a slot's name has 1 to 63 of the characters a-z, 0-9 and _")
	case m.to == "wal":
		sql = moveToWALSQL(m.slot, m.tables)
	case m.to == "outbox":
		sql = moveToOutboxSQL(m.slot, m.tables)
	default:
		return errors.New("--to: " + options.UnknownName(fmt.Sprintf("target %q", m.to), m.to, targets))
	}
	if m.apply {
		return pgtrigger.ApplySQL(ctx, in, url, sql, "")
	}
	return pgtrigger.PrintSQL(in, sql, "")
}
