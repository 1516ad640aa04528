package letters

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/internal/stats"
)

// Kept is where dead letters are kept.
type Kept interface {
	// Search returns the newest letters that match, and where to go on. It ends early where ctx ends, or its time is up.
	Search(ctx context.Context, q Query) (Page, error)
	// Get returns a letter, or [ErrNotFound].
	Get(number uint64) (Letter, error)
	// Remove removes letters, and returns how many of them there were.
	Remove(numbers []uint64) (removed int, err error)
	Status() stats.LettersStatus
}

// ErrNotFound is the error for a letter that does not exist, or does not exist any more.
var ErrNotFound = errors.New("there is no such dead letter: it was removed, replayed or replaced by newer ones, or never existed")

// Query selects letters. The zero value selects all.
type Query struct {
	Component, Reason string // parts of them
	Key, ID           string // whole ones
	Text              string // a part of the payload or the reason
	Since, Until      time.Time
	Before            uint64 // numbers below; 0: all
	Numbers           []uint64
	Limit             int           // at most so many; 0: DefaultLimit
	Bytes             int           // payloads of at most so many bytes in all, but one letter at least; 0: no bound
	Budget            time.Duration // 0: DefaultBudget
	// See changes a letter to what its reader may see of it, before it is compared; nil: all may be seen.
	See func(*Letter)
}

// Bounds of a search.
const (
	DefaultLimit  = 100
	MaxLimit      = 1000
	DefaultBudget = 300 * time.Millisecond
)

// Page is the result of a search, the oldest letter first.
type Page struct {
	Letters []Letter
	// Next is where the search has ended: letters below this number were not looked at. 0: there are none.
	Next uint64
}

// wants reports whether a letter with a number may match.
func (q *Query) wants(number uint64) bool {
	return (q.Before == 0 || number < q.Before) && (len(q.Numbers) == 0 || slices.Contains(q.Numbers, number))
}

// matches reports whether a letter, as its reader sees it, matches.
func (q *Query) matches(l *Letter) bool {
	return (q.Component == "" || strings.Contains(l.Component, q.Component)) &&
		(q.Reason == "" || strings.Contains(l.Reason, q.Reason)) &&
		(q.Key == "" || l.Key == q.Key) && (q.ID == "" || l.ID == q.ID) &&
		(q.Since.IsZero() || !l.Time.Before(q.Since)) && (q.Until.IsZero() || l.Time.Before(q.Until)) &&
		(q.Text == "" || bytes.Contains(l.Data, []byte(q.Text)) || strings.Contains(l.Reason, q.Text))
}

// aboveAll is above the number of each letter, and exact in the numbers of JavaScript.
const aboveAll = 1<<53 - 1

// collector collects the page of a search.
type collector struct {
	q       Query
	letters []Letter
	bytes   int
	next    uint64 // lowest number that was looked at
	ended   bool   // early
	until   time.Time
}

func newCollector(q Query) *collector {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	if q.Budget <= 0 {
		q.Budget = DefaultBudget
	}
	next := q.Before
	if next == 0 {
		next = aboveAll
	}
	return &collector{q: q, letters: []Letter{}, next: next, until: time.Now().Add(q.Budget)}
}

// look adds a letter that matches. Letters come from the newest to the oldest.
func (c *collector) look(l *Letter) {
	if c.q.See != nil {
		c.q.See(l)
	}
	if !c.q.matches(l) {
		c.next = l.Number
		return
	}
	if c.q.Bytes > 0 && len(c.letters) > 0 && c.bytes+len(l.Data) > c.q.Bytes {
		c.ended = true
		return
	}
	c.next = l.Number
	c.letters = append(c.letters, *l)
	c.bytes += len(l.Data)
}

// full reports whether the page is complete, or the time is up.
func (c *collector) full() bool {
	c.ended = c.ended || len(c.letters) >= c.q.Limit || time.Now().After(c.until)
	return c.ended
}

func (c *collector) page() Page {
	slices.Reverse(c.letters)
	p := Page{Letters: c.letters}
	if c.ended && c.next > 1 {
		p.Next = c.next
	}
	return p
}
