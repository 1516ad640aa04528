package postgreswal

import (
	"fmt"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// slots checks the slot of the source, and finds slots that nothing reads. positions is true if the stored positions can be read.
func (p *probe) slots(positions bool) {
	all, err := listSlots(p.ctx, p.conn, positions)
	if err != nil {
		p.cannotTell("which slots the server has", err)
		return
	}
	exists := false
	for _, s := range all {
		switch {
		case s.Name == p.s.opts.Slot:
			exists = true
			p.ownSlot(s)
		case !s.Missing && !s.Active && s.Retained != "":
			p.add(plugin.Warning, s.dropFix(), "nothing reads the slot %s, and the server keeps %s of WAL for it", s.Name, s.Retained)
		}
	}
	if !exists {
		p.ok("the source makes the slot %s when it first starts", p.s.opts.Slot)
	}
}

// dropFix returns what to do about a slot that nothing reads.
func (s slotRow) dropFix() string {
	if s.Stored && s.InDatabase {
		return fmt.Sprintf("start its gateway; if it is gone for good: gateway wal drop %s", s.Name)
	}
	return fmt.Sprintf("start the standby or program that reads it; if it is of no use: SELECT pg_drop_replication_slot(%s)", pgtrigger.QuoteLiteral(s.Name))
}

// ownSlot checks the slot of the source.
func (p *probe) ownSlot(s slotRow) {
	const effect = "the source reports a gap, and makes a new slot"
	switch {
	case s.Missing && s.Commit != "0/0":
		p.add(plugin.Warning, "start the source; give it snapshot: initial, if the tables must be whole afterwards", "the slot %s is missing, and a position is stored (%s), as after a failover or a restore: %s", s.Name, s.Commit, effect)
	case s.Missing:
		p.ok("the source makes the slot %s when it starts", s.Name)
	case s.Plugin != outputPlugin || !s.InDatabase:
		p.add(plugin.Problem, "slot: another_name", "the slot %s is another program's: it has the plugin %q, or is of another database", s.Name, s.Plugin)
	case s.Status == "lost" || s.Reason != "":
		p.add(plugin.Warning, "start the source; then raise max_slot_wal_keep_size, so that the slot outlives the next time that the gateway is away", "the slot %s is lost (%s%s): the server has removed WAL that it needs; %s", s.Name, s.Status, join(": ", s.Reason), effect)
	case s.Status == "unreserved":
		p.add(plugin.Warning, "start the source, or raise max_slot_wal_keep_size: ALTER SYSTEM SET max_slot_wal_keep_size = ...; SELECT pg_reload_conf()", "the slot %s is behind max_slot_wal_keep_size: the server is about to remove WAL that it needs", s.Name)
	case s.Stored && s.Commit != "0/0" && s.Moved:
		p.add(plugin.Warning, "let no other program read or advance this slot", "the slot %s is ahead of the stored position %s: another program has moved or made it; the source reports a gap", s.Name, s.Commit)
	case s.Active:
		p.ok("the slot %s is read%s; its reader is %s of WAL behind", s.Name, join(" by ", s.ReadBy), s.Lag)
	default:
		p.ok("the slot %s is not read now, and the server keeps %s of WAL for it", s.Name, s.Retained)
	}
}

// join returns text after a word, or "" if there is no text.
func join(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}
