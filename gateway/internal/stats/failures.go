package stats

import (
	"slices"
	"strings"
	"time"
)

// Bounds of the failures that a Monitor stores.
const (
	mostFailures    = 20
	maxFailureBytes = 1 << 10 // of one text
)

// Failure is a failure of a component, and how often it has occurred.
type Failure struct {
	Text  string    `json:"text"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count uint64    `json:"count"` // since First; failures with a text that was forgotten meanwhile count anew
}

// Failures returns the latest failures with different texts, the latest first.
func (m *Monitor) Failures() []Failure {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.failures)
	slices.Reverse(out)
	return out
}

// countFailure counts a failure. The latest ones are at the end, so that a failure that repeats costs one comparison. The caller holds the lock.
func (m *Monitor) countFailure(text string, now time.Time) {
	if len(text) > maxFailureBytes {
		text = strings.ToValidUTF8(text[:maxFailureBytes], "") + "..."
	}
	f := Failure{Text: text, First: now}
	for i := len(m.failures) - 1; i >= 0; i-- {
		if m.failures[i].Text == text {
			f = m.failures[i]
			m.failures = slices.Delete(m.failures, i, i+1)
			break
		}
	}
	if len(m.failures) == mostFailures {
		m.failures = slices.Delete(m.failures, 0, 1)
	}
	f.Last = now
	f.Count++
	m.failures = append(m.failures, f)
}

// inheritFailures puts the failures of a predecessor before those of m. The caller holds the lock.
func (m *Monitor) inheritFailures(old []Failure) {
	all := append(slices.Clone(old), m.failures...)
	m.failures = all[max(0, len(all)-mostFailures):]
}
