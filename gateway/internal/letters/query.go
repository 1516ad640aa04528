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

// Collection stores dead letters, which can be searched and removed.
type Collection interface {
	// Search returns the newest letters that match, and the number from which the next search continues. It ends early when ctx ends
	// or q.Budget is spent.
	Search(ctx context.Context, q Query) (Page, error)
	// Get returns a letter, or [ErrNotFound].
	Get(number uint64) (Letter, error)
	// Remove removes letters, and returns how many of them existed.
	Remove(numbers []uint64) (removed int, err error)
	// Status returns the counts and sizes.
	Status() stats.LettersStatus
}

// ErrNotFound is the error for a letter that does not exist, or does not exist any more.
var ErrNotFound = errors.New("there is no such dead letter: it was removed, replayed or replaced by newer ones, or never existed")

// Query selects letters. The zero value selects all.
type Query struct {
	Component, Reason string // substrings
	Key, ID           string // equal
	Text              string // substring of the payload or the reason
	Since, Until      time.Time
	Before            uint64 // only lower numbers; 0: all
	Numbers           []uint64
	Limit             int           // most letters of a page; 0: DefaultLimit
	Bytes             int           // most bytes of payload in a page, which has at least one letter; 0: no bound
	Budget            time.Duration // most time of a search; 0: DefaultBudget
	// Hide removes what the caller may not see from a letter, before the letter is compared; nil hides nothing.
	Hide func(*Letter)
	// NumbersOnly leaves the fields of the letters in the page empty, apart from Number. Then payloads are read only if Text is set.
	NumbersOnly bool
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
	// Next is the Before of the next page; 0 if the search has examined all letters.
	Next uint64
}

// selects reports whether a letter with this number may match.
func (q *Query) selects(number uint64) bool {
	return (q.Before == 0 || number < q.Before) && (len(q.Numbers) == 0 || slices.Contains(q.Numbers, number))
}

// matches reports whether a letter matches, after Hide.
func (q *Query) matches(l *Letter) bool {
	return (q.Component == "" || strings.Contains(l.Component, q.Component)) &&
		(q.Reason == "" || strings.Contains(l.Reason, q.Reason)) &&
		(q.Key == "" || l.Key == q.Key) && (q.ID == "" || l.ID == q.ID) &&
		(q.Since.IsZero() || !l.Time.Before(q.Since)) && (q.Until.IsZero() || l.Time.Before(q.Until)) &&
		(q.Text == "" || bytes.Contains(l.Data, []byte(q.Text)) || strings.Contains(l.Reason, q.Text))
}

// aboveAll is above the number of each letter, and exact in the numbers of JavaScript.
const aboveAll = 1<<53 - 1

// pageBuilder collects the page of a search.
type pageBuilder struct {
	q       Query
	letters []Letter
	bytes   int
	next    uint64 // lowest number that was examined; it must not depend on what Hide hides
	ended   bool   // before all letters were examined
	until   time.Time
}

func newPageBuilder(q Query) *pageBuilder {
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
	return &pageBuilder{q: q, letters: []Letter{}, next: next, until: time.Now().Add(q.Budget)}
}

// add adds a letter if it matches. Letters come from the newest to the oldest. It reports false if the letter belongs to the next page.
func (c *pageBuilder) add(l *Letter) bool {
	if c.q.Hide != nil {
		c.q.Hide(l)
	}
	if c.q.matches(l) {
		if c.q.Bytes > 0 && len(c.letters) > 0 && c.bytes+len(l.Data) > c.q.Bytes {
			c.ended = true
			return false
		}
		if c.q.NumbersOnly {
			*l = Letter{Number: l.Number}
		}
		c.letters = append(c.letters, *l)
		c.bytes += len(l.Data)
	}
	c.next = l.Number
	return true
}

// addNumber adds the number of a matching letter, whose other fields are not read.
func (c *pageBuilder) addNumber(number uint64) {
	c.letters = append(c.letters, Letter{Number: number})
	c.next = number
}

// inHead reports whether the fields in the head of a line decide which letters match, and nothing else of the letters is needed.
func (q *Query) inHead() bool { return q.NumbersOnly && q.Text == "" && q.Hide == nil }

// inIndex reports whether the index decides which letters match, and nothing else of the letters is needed. The index has times in whole milliseconds,
// and hashes of IDs and keys.
func (q *Query) inIndex() bool {
	whole := func(t time.Time) bool { return t.Nanosecond()%int(time.Millisecond) == 0 }
	return q.inHead() && q.Reason == "" && q.ID == "" && q.Key == "" && whole(q.Since) && whole(q.Until)
}

// full reports whether the page is complete, or the time is up.
func (c *pageBuilder) full() bool {
	c.ended = c.ended || len(c.letters) >= c.q.Limit || time.Now().After(c.until)
	return c.ended
}

func (c *pageBuilder) page() Page {
	slices.Reverse(c.letters)
	p := Page{Letters: c.letters}
	if c.ended && c.next > 1 {
		p.Next = c.next
	}
	return p
}
