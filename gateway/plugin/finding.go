package plugin

import "context"

// Prober is implemented by a plugin that can inspect its server, for `gateway check --live`, and, of a source, for /api/hints.
type Prober interface {
	// Probe connects and inspects, without a change that others could notice. Each problem is a Finding.
	// A check that is not possible is a Finding, too: a [Warning] that begins with "cannot
	// tell". Probe returns early when ctx ends. It may be called while the source runs, from another goroutine.
	Probe(ctx context.Context) []Finding
}

// Finding is one result of a Probe.
type Finding struct {
	Level Level
	Text  string
	Fix   string // the command or SQL that corrects it; "" if the level is OK
}

// Level is the severity of a finding.
type Level int

// The levels of findings.
const (
	OK      Level = iota
	Warning       // it works, but may cause a failure later; or it could not be checked
	Problem       // it does not work
)

func (l Level) String() string { return [...]string{"ok", "warning", "WRONG"}[l] }
