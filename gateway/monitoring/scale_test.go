package monitoring

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scale writes a copy of a file of rules, and returns its path. The windows and the pauses (for) are shorter by a factor, and thresholds has
// texts of expressions with their replacements, by alert, so that a test need not wait for minutes. Alerts of leave are left out.
func scale(t *testing.T, name string, windows, pauses float64, thresholds map[string][2]string, leave []string) (path string) {
	t.Helper()
	file := readRules(t, name)
	duration := regexp.MustCompile(`\[(\d+[smhd])\]`)
	for i := range file.Groups {
		group := &file.Groups[i]
		group.Rules = slices.DeleteFunc(group.Rules, func(r *rule) bool { return r.Alert != "" && slices.Contains(leave, r.Alert) })
		for _, r := range group.Rules {
			r.Expr = duration.ReplaceAllStringFunc(r.Expr, func(d string) string { return "[" + shorten(t, d[1:len(d)-1], windows) + "]" })
			if r.For != "" {
				r.For = shorten(t, r.For, pauses)
			}
			if change, ok := thresholds[r.Alert]; ok {
				if !strings.Contains(r.Expr, change[0]) {
					t.Fatalf("%s has no threshold %q: %s", r.Alert, change[0], r.Expr)
				}
				r.Expr = strings.ReplaceAll(r.Expr, change[0], change[1])
			}
		}
	}
	path = filepath.Join(t.TempDir(), name)
	encodeYAML(t, path, file)
	return path
}

// shorten returns a duration of Prometheus, divided by a factor.
func shorten(t *testing.T, d string, by float64) string {
	t.Helper()
	var n float64
	if _, err := fmt.Sscanf(d[:len(d)-1], "%g", &n); err != nil {
		t.Fatalf("%s: %v", d, err)
	}
	seconds := n * map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[d[len(d)-1]]
	return fmt.Sprintf("%dms", int(seconds/by*1000))
}
