package letters

import (
	"context"
	"slices"
	"sync"

	"eventgateway/gateway/internal/stats"
)

// Bounds of the list in memory.
const (
	maxLetters     = 1000
	maxLetterBytes = 4 << 20
)

// List keeps the latest dead letters in memory: 1000 or 4 MiB of payload at most. It is lost when the gateway stops, so
// it settles no events that a source can replay.
type List struct {
	mu    sync.Mutex
	list  []Letter
	bytes int
	total uint64 // with those that newer ones have replaced
}

// Add adds a letter, and numbers it.
func (l *List) Add(letter Letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	letter.Number = l.total
	l.list = append(l.list, letter)
	l.bytes += len(letter.Data)
	for len(l.list) > maxLetters || l.bytes > maxLetterBytes && len(l.list) > 1 {
		l.bytes -= len(l.list[0].Data)
		l.list[0] = Letter{}
		l.list = l.list[1:]
	}
}

// Search is part of [Collection].
func (l *List) Search(_ context.Context, q Query) (p Page, err error) {
	l.mu.Lock()
	all := l.list // which never changes in place, except at its beginning
	all = slices.Clone(all)
	l.mu.Unlock()
	c := newPageBuilder(q)
	for i := len(all) - 1; i >= 0 && !c.full(); i-- {
		if letter := all[i]; q.selects(letter.Number) {
			c.add(&letter)
		}
	}
	return c.page(), nil
}

// Get is part of [Collection].
func (l *List) Get(number uint64) (Letter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(number); i >= 0 {
		return l.list[i], nil
	}
	return Letter{}, ErrNotFound
}

func (l *List) index(number uint64) int {
	return slices.IndexFunc(l.list, func(o Letter) bool { return o.Number == number })
}

// Remove is part of [Collection].
func (l *List) Remove(numbers []uint64) (removed int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := make([]Letter, 0, len(l.list))
	for _, o := range l.list {
		if slices.Contains(numbers, o.Number) {
			l.bytes -= len(o.Data)
			removed++
			continue
		}
		rest = append(rest, o)
	}
	l.list = rest
	return removed, nil
}

// Status is part of [Collection].
func (l *List) Status() stats.LettersStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := stats.LettersStatus{Held: uint64(len(l.list)), Bytes: uint64(l.bytes), In: l.total, Total: l.total, MaxBytes: maxLetterBytes}
	if len(l.list) > 0 {
		s.Oldest = &l.list[0].Time
	}
	return s
}
