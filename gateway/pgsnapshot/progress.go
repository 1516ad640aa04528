package pgsnapshot

import (
	"log/slog"
	"time"
)

// progressEvery is the time between two messages of the log about a table.
const progressEvery = time.Minute

// Progress logs how far the snapshots of tables are. Its methods are not safe for concurrent use.
type Progress struct {
	Log *slog.Logger

	table    string // whose rows are read
	rows     int    // that were read, by this process
	reported time.Time
}

// Started reports that the snapshot of a table begins.
func (p *Progress) Started(table string) { p.Log.Info("snapshot started", "table", table) }

// Add notes rows of a table that were read, and reports the number each minute.
func (p *Progress) Add(table string, rows int) {
	if table != p.table {
		*p = Progress{Log: p.Log, table: table, reported: time.Now()}
	}
	p.rows += rows
	if time.Since(p.reported) >= progressEvery {
		p.reported = time.Now()
		p.Log.Info("snapshot in progress", "table", table, "rows", p.rows)
	}
}

// Completed reports that the snapshot of a table is complete.
func (p *Progress) Completed(table string) {
	p.Add(table, 0)
	p.Log.Info("snapshot completed", "table", table, "rows", p.rows)
	*p = Progress{Log: p.Log}
}
