package tap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bounds of comparing.
const (
	maxCompared    = 64 << 10 // bytes of a payload
	maxDifferences = 100
	maxDepth       = 20 // of objects and lists; deeper ones are compared as a whole
)

// Difference is a field that a transform has added, removed or changed.
type Difference struct {
	Path   string `json:"path"`   // as in options: order.email, lines.0.sku
	Change string `json:"change"` // added, removed or changed
	// Before and After are the beginnings of the values, as JSON. They are "" where there is no value, and where it is hidden.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// compare returns the fields in which two payloads differ, and how many there are beyond them. The paths and values
// are those of the payloads as they are shown: a difference within a hidden value is one of that value. why says why they were not compared.
func compare(before, after, shownBefore, shownAfter []byte) (all []Difference, more int, why string) {
	if bytes.Equal(before, after) {
		return nil, 0, ""
	}
	if len(before) > maxCompared || len(after) > maxCompared {
		return nil, 0, fmt.Sprintf("the payload is larger than %d bytes", maxCompared)
	}
	a, aerr := decode(before)
	b, berr := decode(after)
	if aerr != nil || berr != nil {
		return nil, 0, "the payload is not JSON"
	}
	c := comparer{}
	c.before, _ = decode(shownBefore)
	c.after, _ = decode(shownAfter)
	c.compare(nil, a, b)
	return c.found, c.more, ""
}

func decode(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = fmt.Errorf("more than one value")
	}
	return v, err
}

// comparer collects differences.
type comparer struct {
	before, after any // as they are shown
	found         []Difference
	more          int
}

func (c *comparer) compare(path []string, a, b any) {
	if len(path) < maxDepth {
		switch a := a.(type) {
		case map[string]any:
			if b, ok := b.(map[string]any); ok {
				c.objects(path, a, b)
				return
			}
		case []any:
			if b, ok := b.([]any); ok {
				c.lists(path, a, b)
				return
			}
		}
	}
	if !same(a, b) {
		c.add(path, "changed")
	}
}

func (c *comparer) objects(path []string, a, b map[string]any) {
	names := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		x, inA := a[name]
		y, inB := b[name]
		at := append(path[:len(path):len(path)], name)
		switch {
		case !inA:
			c.add(at, "added")
		case !inB:
			c.add(at, "removed")
		default:
			c.compare(at, x, y)
		}
	}
}

func (c *comparer) lists(path []string, a, b []any) {
	for i := range max(len(a), len(b)) {
		at := append(path[:len(path):len(path)], strconv.Itoa(i))
		switch {
		case i >= len(a):
			c.add(at, "added")
		case i >= len(b):
			c.add(at, "removed")
		default:
			c.compare(at, a[i], b[i])
		}
	}
}

// same reports whether two values that are not both objects or lists are equal.
func same(a, b any) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && bytes.Equal(x, y)
}

func (c *comparer) add(path []string, change string) {
	hidden := false
	for _, side := range []struct {
		shown any
		lacks string // the change for which this side has no value at the path, only the object or list around it
	}{{c.before, "added"}, {c.after, "removed"}} {
		n := len(path)
		if change == side.lacks {
			n--
		}
		shown, end := visible(side.shown, path[:n])
		if _, isText := end.(string); len(shown) < n || change == side.lacks && isText {
			path, hidden = shown, true
		}
	}
	if hidden { // the rest is within a hidden value
		change = "changed"
		if n := len(c.found); n > 0 && c.found[n-1].Path == pathText(path) {
			return
		}
	}
	if len(c.found) == maxDifferences {
		c.more++
		return
	}
	d := Difference{Path: pathText(path), Change: change}
	if change != "added" {
		d.Before = valueAt(c.before, path)
	}
	if change != "removed" {
		d.After = valueAt(c.after, path)
	}
	c.found = append(c.found, d)
}

// visible returns the part of a path that leads to a value of v, and this value.
func visible(v any, path []string) ([]string, any) {
	for i, name := range path {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				return path[:i], v
			}
			v = next
		case []any:
			at, err := strconv.Atoi(name)
			if err != nil || at < 0 || at >= len(x) {
				return path[:i], v
			}
			v = x[at]
		default:
			return path[:i], v
		}
	}
	return path, v
}

// valueAt returns the beginning of the value at a path as JSON, or "" where there is none.
func valueAt(v any, path []string) string {
	for _, name := range path {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				return ""
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil && len(path) == 0 {
		return "" // nothing is shown
	}
	b := &bytes.Buffer{}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	return cut(strings.TrimSpace(b.String()), maxText)
}

var escapePath = strings.NewReplacer(`\`, `\\`, ".", `\.`, "[", `\[`, "]", `\]`, "$", `\$`)

// pathText returns a path as options have it.
func pathText(path []string) string {
	if len(path) == 0 {
		return "." // the whole payload
	}
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = escapePath.Replace(name)
	}
	return strings.Join(names, ".")
}
