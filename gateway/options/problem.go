package options

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a position in a file; Line and Col count from 1. The zero Pos is no position.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Problem is one fault of a configuration, and its position.
type Problem struct {
	Pos  Pos
	Path string // sources.orders_db.channels[0]; "" for the file as a whole
	Text string // what is wrong and what to do
}

func (p Problem) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Pos.String(), clip(p.Path), clip(p.Text)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// maxClip bounds the path and the text of a problem in bytes, because they may quote a part of the file.
const maxClip = 1000

// clip shortens text; it cuts no rune.
func clip(text string) string {
	if len(text) <= maxClip {
		return text
	}
	half := maxClip / 2
	begin, end := strings.ToValidUTF8(text[:half], ""), strings.ToValidUTF8(text[len(text)-half:], "")
	return fmt.Sprintf("%s ... (%d bytes are left out) ... %s", begin, len(text)-len(begin)-len(end), end)
}

// Problems is every problem that was found, as an error.
type Problems []Problem

// MaxShown is how many problems the text of [Problems] lists; it counts the rest.
const MaxShown = 50

// Error lists the first [MaxShown] problems, a line each, and the number of further ones.
func (ps Problems) Error() string {
	lines := make([]string, 0, MaxShown+1)
	for _, p := range ps[:min(len(ps), MaxShown)] {
		lines = append(lines, p.Error())
	}
	if more := len(ps) - MaxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Sort orders problems by position.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

// UnknownName returns the text of a problem with a name that is not known. It suggests the most similar known
// name, or lists all names if none is similar.
func UnknownName(what, got string, known []string) string {
	if best := nearest(got, known); best != "" {
		return fmt.Sprintf("unknown %s (did you mean %q?)", what, best)
	}
	if len(known) == 0 {
		return "unknown " + what
	}
	sorted := slices.Sorted(slices.Values(known))
	return fmt.Sprintf("unknown %s (known: %s)", what, strings.Join(sorted, ", "))
}

// nearest returns the known name with the smallest edit distance to got. It returns "" if more than about a third of
// got differs from all names; two swapped letters are accepted.
func nearest(got string, known []string) string {
	best, least := "", max(2, len(got)/3)+1
	if len(got) < 4 {
		least = 2
	}
	for _, k := range known {
		if max(len(k)-len(got), len(got)-len(k)) >= least { // the distance is at least the difference in length
			continue
		}
		if d := distance(strings.ToLower(got), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
