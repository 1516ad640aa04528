package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/internal/tap"
)

// tapText returns an item as text: a line with its time and component, the event that came in, what each transform has
// changed, and the outcome.
func tapText(it *tap.Item) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", it.Time.Local().Format("15:04:05.000"), oneLine(it.Component))
	if it.Skipped > 0 {
		fmt.Fprintf(&b, "  (%d skipped before)", it.Skipped)
	}
	b.WriteByte('\n')
	for i := range it.Events {
		tapView(&b, "in", &it.Events[i], true)
	}
	if more := it.Count - len(it.Events); more > 0 {
		fmt.Fprintf(&b, "  %-8s %d more events\n", "in", more)
	}
	for i := range it.Steps {
		tapStep(&b, &it.Steps[i])
	}
	fmt.Fprintf(&b, "  %-8s %s", "=>", strings.ReplaceAll(it.Outcome, "_", " "))
	if len(it.To) > 0 {
		fmt.Fprintf(&b, " to %s", oneLine(strings.Join(it.To, ", ")))
	}
	if it.Attempts > 0 {
		fmt.Fprintf(&b, ", failed attempts: %d", it.Attempts)
	}
	if it.Reason != "" {
		b.WriteString(": " + oneLine(it.Reason))
	}
	b.WriteString("\n\n")
	return b.String()
}

// tapStep prints what a transform has done: the fields that it has changed, and the payload that it has made.
func tapStep(b *strings.Builder, s *tap.Change) {
	fmt.Fprintf(b, "  %-8s %s", fmt.Sprintf("%d", s.Stage+1), oneLine(s.Transform))
	if s.Type != s.Transform {
		fmt.Fprintf(b, " (%s)", oneLine(s.Type))
	}
	unchanged := s.Outcome == tap.Applied && s.Count == 1 && s.Before != nil && len(s.Changed) == 0 && s.Uncompared == ""
	switch {
	case unchanged:
		b.WriteString(": unchanged")
	case s.Outcome != tap.Applied:
		b.WriteString(": " + strings.ReplaceAll(s.Outcome, "_", " "))
	case s.Count != 1:
		fmt.Fprintf(b, ": %d events", s.Count)
	}
	if s.Reason != "" {
		b.WriteString(": " + oneLine(s.Reason))
	}
	b.WriteByte('\n')
	for _, d := range s.Changed {
		sign := map[string]string{"added": "+", "removed": "-"}[d.Change]
		if sign == "" {
			sign = "~"
		}
		fmt.Fprintf(b, "           %s %s", sign, oneLine(d.Path))
		switch {
		case d.Before != "" && d.After != "":
			fmt.Fprintf(b, ": %s -> %s", oneLine(d.Before), oneLine(d.After))
		case d.Before+d.After != "":
			fmt.Fprintf(b, ": %s", oneLine(d.Before+d.After))
		}
		b.WriteByte('\n')
	}
	if s.More > 0 {
		fmt.Fprintf(b, "           %d more fields\n", s.More)
	}
	if unchanged {
		return
	}
	for i := range s.After {
		tapView(b, "", &s.After[i], false)
	}
	if more := s.Count - len(s.After); more > 0 {
		fmt.Fprintf(b, "           %d more events\n", more)
	}
}

// tapView prints the payload of an event. If whole is set, it also prints the source, channel, key and attributes.
func tapView(b *strings.Builder, label string, v *tap.View, whole bool) {
	if whole {
		fmt.Fprintf(b, "  %-8s source %s, channel %s", label, oneLine(v.Source), oneLine(v.Channel))
		if v.Key != "" {
			fmt.Fprintf(b, ", key %s", oneLine(v.Key))
		}
		if v.ID != "" {
			fmt.Fprintf(b, ", id %s", oneLine(v.ID))
		}
		fmt.Fprintf(b, ", %s, %d bytes\n", v.Time.Local().Format(time.TimeOnly), v.Bytes)
		for _, name := range slices.Sorted(maps.Keys(v.Attrs)) {
			fmt.Fprintf(b, "           %s = %s\n", oneLine(name), oneLine(v.Attrs[name]))
		}
	}
	text := oneLine(v.Payload)
	switch {
	case v.Hidden != "":
		text = "(" + oneLine(v.Hidden) + ")"
	case v.Encoding != "":
		text = v.Encoding + ":" + text
	}
	if v.Truncated {
		text += fmt.Sprintf(" ... (%d bytes in all)", v.Bytes)
	}
	fmt.Fprintf(b, "           %s\n", text)
}
