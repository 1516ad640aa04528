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

// The levels of entries.
const (
	levelOK      = "ok"
	levelWarning = "warning" // also where something could not be examined
	levelWrong   = "wrong"
	levelSkipped = "skipped"
)

// entry is one finding of check.
type entry struct {
	Component string `json:"component"` // sources.orders_db, or http.listen; "" for the configuration as a whole
	Place     string `json:"place"`     // file:line:col, or "" where it has none
	Level     string `json:"level"`
	Text      string `json:"text"`
	Fix       string `json:"fix"` // command that mends it; "" where there is none
}

// report prints the findings of check: text at once, or JSON at the end.
type report struct {
	w          io.Writer
	json, live bool
	findings   []entry
	count      map[string]int
	err        error // the first of writing
}

// summary counts the findings of each level.
type summary struct {
	Live     bool `json:"live"` // servers were connected to
	OK       int  `json:"ok"`
	Warnings int  `json:"warnings"`
	Wrong    int  `json:"wrong"`
	Skipped  int  `json:"skipped"`
}

func (r *report) add(f entry) {
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
	case f.Level == levelOK && where == "": // the configuration
		r.printf("%s\n", f.Text)
	case f.Level == levelSkipped:
		r.printf("skipped %s%s\n", where, f.Text)
	default:
		level := f.Level
		if level == levelWrong {
			level = "WRONG"
		}
		r.printf("%-8s%s%s\n", level, where, f.Text)
	}
	if f.Fix != "" {
		r.printf("        mend it: %s\n", f.Fix)
	}
}

// oneLine returns text with its unprintable characters quoted: names and messages of a server could
// begin a line or control the terminal.
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

// finding adds a finding of a plugin.
func (r *report) finding(component, place string, f plugin.Finding) {
	level := map[plugin.Level]string{plugin.OK: levelOK, plugin.Warning: levelWarning, plugin.Problem: levelWrong}[f.Level]
	r.add(entry{component, place, level, f.Text, f.Fix})
}

// problem adds a problem of the configuration.
func (r *report) problem(level string, p options.Problem) {
	r.add(entry{Component: p.Path, Place: p.Pos.String(), Level: level, Text: p.Text})
}

// end prints the summary, or all of the JSON. broken is why the configuration cannot be used, or
// nil. It returns the error of the command.
func (r *report) end(broken error) error {
	s := summary{Live: r.live, OK: r.count[levelOK], Warnings: r.count[levelWarning], Wrong: r.count[levelWrong], Skipped: r.count[levelSkipped]}
	if r.json {
		out := json.NewEncoder(r.w)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		r.err = out.Encode(struct {
			Findings []entry `json:"findings"`
			Summary  summary `json:"summary"`
		}{r.findings, s})
	}
	switch {
	case broken != nil:
		return broken
	case s.Wrong > 0:
		return fmt.Errorf("%d wrong, %d warnings", s.Wrong, s.Warnings)
	case r.json || !r.live:
	case s.Warnings > 0: // something may be wrong, or could not be examined
		r.printf("0 wrong, %d warnings%s\n", s.Warnings, s.skippedNote())
	default:
		r.printf("nothing is wrong, 0 warnings%s\n", s.skippedNote())
	}
	return r.err
}

// skippedNote returns how many components were skipped, "" where none was.
func (s summary) skippedNote() string {
	if s.Skipped == 0 {
		return ""
	}
	return fmt.Sprintf("; %d skipped", s.Skipped)
}
