package stats

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of an [Occurrence].
const (
	KindGateway = "gateway" // a start, readiness, a stop
	KindReload  = "reload"
	KindOutage  = "outage" // of a component: its begin, new reasons, its end
	KindGap     = "gap"
	KindLeader  = "leader" // a leadership is won, lost or held by another gateway
	KindStall   = "stall"  // a source has stalled, or reads again
)

// The levels of an [Occurrence].
const (
	LevelInfo     = "info"
	LevelProblem  = "problem"
	LevelRecovery = "recovery" // a problem has ended
)

// Occurrence is something that happened to the gateway or to one of its components.
type Occurrence struct {
	Number    uint64    `json:"number"` // in the order in which they were recorded, from 1 on
	Time      time.Time `json:"time"`
	Component string    `json:"component"` // "source orders_db", "gateway", or "configuration"
	Kind      string    `json:"kind"`
	Level     string    `json:"level"`
	Text      string    `json:"text"`
}

const (
	// maxOccurrences is how many occurrences of one kind a Timeline keeps of one component.
	maxOccurrences = 50
	// maxKinds bounds the pairs of a component and a kind. Beyond it, those whose latest occurrence is the oldest are forgotten.
	maxKinds = 1000
	// maxOccurrenceText bounds a text, in bytes.
	maxOccurrenceText = 2000
)

// Timeline keeps the latest occurrences of each kind for each component, so that no component pushes out those of another one. Events
// are no occurrences: load does not change what it keeps. A nil Timeline records nothing. It is safe for concurrent use.
type Timeline struct {
	run string // differs between two runs of the gateway

	mu     sync.Mutex
	last   uint64
	byKind map[[2]string][]Occurrence // by component and kind: the latest ones
}

// NewTimeline returns an empty Timeline.
func NewTimeline() *Timeline {
	return &Timeline{run: rand.Text()[:8], byKind: map[[2]string][]Occurrence{}}
}

// Add records what happens now.
func (t *Timeline) Add(component, kind, level, text string) {
	t.AddAt(time.Now(), component, kind, level, text)
}

// AddAt records what happened at a time.
func (t *Timeline) AddAt(at time.Time, component, kind, level, text string) {
	if t == nil {
		return
	}
	if len(text) > maxOccurrenceText {
		text = strings.ToValidUTF8(text[:maxOccurrenceText], "") + "…"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	key := [2]string{component, kind}
	kept := t.byKind[key]
	if len(kept) == maxOccurrences {
		copy(kept, kept[1:])
		kept = kept[:maxOccurrences-1]
	}
	t.byKind[key] = append(kept, Occurrence{t.last, at, component, kind, level, text})
	if len(t.byKind) > maxKinds {
		t.forgetOldest()
	}
}

// forgetOldest forgets the component and kind whose latest occurrence is the oldest. It needs the lock.
func (t *Timeline) forgetOldest() {
	var oldest [2]string
	number := t.last + 1
	for key, kept := range t.byKind {
		if n := kept[len(kept)-1].Number; n < number {
			oldest, number = key, n
		}
	}
	delete(t.byKind, oldest)
}

// TimelinePage is a part of a timeline.
type TimelinePage struct {
	Now   time.Time `json:"now"`   // by the clock of the gateway
	Whole bool      `json:"whole"` // it has all that is kept, and not only what was recorded after since
	Next  string    `json:"next"`  // since of the next request
	// Occurrences are in the order in which they were recorded.
	Occurrences []Occurrence `json:"occurrences"`
}

// Next returns the since with which Page returns what is recorded from now on.
func (t *Timeline) Next() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next()
}

func (t *Timeline) next() string { return fmt.Sprintf("%s-%d", t.run, t.last) }

// Page returns what was recorded after since, which is "" or the Next of a page. With a since of another run it returns all that is kept.
func (t *Timeline) Page(since string) TimelinePage {
	t.mu.Lock()
	defer t.mu.Unlock()
	run, text, _ := strings.Cut(since, "-")
	after, err := strconv.ParseUint(text, 10, 64)
	known := run == t.run && err == nil && after <= t.last
	if !known {
		after = 0
	}
	p := TimelinePage{Now: time.Now(), Whole: !known, Next: t.next(), Occurrences: []Occurrence{}}
	for _, kept := range t.byKind {
		for _, o := range kept {
			if o.Number > after {
				p.Occurrences = append(p.Occurrences, o)
			}
		}
	}
	slices.SortFunc(p.Occurrences, func(a, b Occurrence) int { return cmp.Compare(a.Number, b.Number) })
	return p
}
