package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// The levels of what check reports.
const (
	right   = "ok"
	warning = "warning" // also where something could not be looked at
	failing = "wrong"
	skipped = "skipped"
)

// found is one thing that check reports.
type found struct {
	Component string `json:"component"` // sources.orders_db, or http.listen; "" for the configuration as a whole
	Place     string `json:"place"`     // file:line:col, or "" where it has none
	Level     string `json:"level"`
	Text      string `json:"text"`
	Fix       string `json:"fix"` // the command that mends it; "" where there is none
}

// report prints what check finds: text at once, or JSON in the end.
type report struct {
	w          io.Writer
	json, live bool
	findings   []found
	count      map[string]int
	err        error // of writing
}

// summary counts the findings of each level.
type summary struct {
	Live     bool `json:"live"` // servers were connected to
	OK       int  `json:"ok"`
	Warnings int  `json:"warnings"`
	Wrong    int  `json:"wrong"`
	Skipped  int  `json:"skipped"`
}

func (r *report) add(f found) {
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[f.Level]++
	r.findings = append(r.findings, f)
	if r.json {
		return
	}
	f.Text, f.Fix = oneLine(f.Text), oneLine(f.Fix)
	where := ""
	for _, part := range []string{f.Place, f.Component} {
		if part != "" {
			where += part + ": "
		}
	}
	switch {
	case f.Level == right && where == "": // the configuration
		r.printf("%s\n", f.Text)
	case f.Level == skipped:
		r.printf("skipped %s%s\n", where, f.Text)
	default:
		level := f.Level
		if level == failing {
			level = "WRONG"
		}
		r.printf("%-8s%s%s\n", level, where, f.Text)
	}
	if f.Fix != "" {
		r.printf("        mend it: %s\n", f.Fix)
	}
}

// oneLine returns text without what would begin a line or control a terminal: a server's names and
// messages are another's.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func (r *report) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(r.w, format, args...); err != nil && r.err == nil {
		r.err = err
	}
}

// finding adds what a plugin has found.
func (r *report) finding(component, place string, f plugin.Finding) {
	level := map[plugin.Level]string{plugin.OK: right, plugin.Warning: warning, plugin.Problem: failing}[f.Level]
	r.add(found{component, place, level, f.Text, f.Fix})
}

// problem adds what is the matter with the configuration.
func (r *report) problem(level string, p options.Problem) {
	r.add(found{Component: p.Path, Place: p.Pos.String(), Level: level, Text: p.Text})
}

// end prints what comes last. broken says why the configuration cannot be used; nil where it
// can. The error makes the exit status.
func (r *report) end(broken error) error {
	s := summary{Live: r.live, OK: r.count[right], Warnings: r.count[warning], Wrong: r.count[failing], Skipped: r.count[skipped]}
	if r.json {
		out := json.NewEncoder(r.w)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		r.err = out.Encode(struct {
			Findings []found `json:"findings"`
			Summary  summary `json:"summary"`
		}{r.findings, s})
	}
	switch {
	case broken != nil:
		return broken
	case s.Wrong > 0:
		return fmt.Errorf("%d wrong, %d warnings", s.Wrong, s.Warnings)
	case r.json || !r.live:
	case s.Warnings > 0: // something may be wrong, or could not be looked at
		r.printf("0 wrong, %d warnings%s\n", s.Warnings, s.without())
	default:
		r.printf("nothing is wrong, 0 warnings%s\n", s.without())
	}
	return r.err
}

// without says how many components were left out.
func (s summary) without() string {
	if s.Skipped == 0 {
		return ""
	}
	return fmt.Sprintf("; %d skipped", s.Skipped)
}
