package plugin

import "context"

// Prober is a plugin that can say how things are where it connects to,
// for `gateway check --live`.
type Prober interface {
	// Probe connects and looks. It changes nothing that anybody else could notice.
	// Whatever is wrong is a Finding, and what cannot be looked at is one, a [Warning] that begins with "cannot
	// tell"; Probe returns early when ctx ends.
	Probe(ctx context.Context) []Finding
}

// Finding is one thing that a Probe has found out.
type Finding struct {
	Level Level
	Text  string // what is so
	Fix   string // the command or SQL that mends it; "" where nothing is wrong
}

// Level says how bad a finding is.
type Level int

// The levels of findings.
const (
	OK      Level = iota // as it should be
	Warning              // works, and will hurt one day; or it could not be looked at
	Problem              // does not work
)

func (l Level) String() string { return [...]string{"ok", "warning", "WRONG"}[l] }
