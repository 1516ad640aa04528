package plugintest

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	crashLine  = regexp.MustCompile(`(?m)^(panic|fatal error): (.*)`)
	raceAccess = regexp.MustCompile(`(?m)^(Read|Write|Previous read|Previous write) at .*\n  (\S+)\n\s+(\S+:\d+)`)
)

// crashReason returns in one line why a process ended, from its output.
func crashReason(text string) string {
	m := crashLine.FindStringSubmatchIndex(text)
	if m == nil {
		return "without output"
	}
	why := text[m[4]:m[5]]
	for _, f := range frame.FindAllStringSubmatch(text[m[1]:], -1) {
		if !strings.HasPrefix(f[1], "panic") && !strings.HasPrefix(f[1], "runtime.") && !strings.HasPrefix(f[1], "goroutine") {
			return oneLine(fmt.Sprintf("%s (%s, %s)", why, f[1], f[2]))
		}
	}
	return oneLine(why)
}

// firstRace returns the first data race in the output of a process.
func firstRace(text string) (finding, bool) {
	_, report, ok := strings.Cut(text, "WARNING: DATA RACE")
	if !ok {
		return finding{}, false
	}
	var parts []string
	for _, m := range raceAccess.FindAllStringSubmatch(report, 2) {
		parts = append(parts, fmt.Sprintf("%s in %s (%s)", strings.ToLower(m[1]), m[2], m[3]))
	}
	return finding{ruleRace, oneLine(strings.Join(parts, ", "))}, true
}
