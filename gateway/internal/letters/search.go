package letters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a search.
const (
	maxExamined = 16384
	maxChunk    = 512
	maxBlock    = 1 << 20
	maxRetries  = 5 // of one read, because a segment may be replaced at any time
)

// Get is part of [Collection].
func (s *Store) Get(number uint64) (Letter, error) {
	for retries := 0; ; retries++ {
		s.mu.Lock()
		seg, i := s.locate(number)
		if i < 0 {
			s.mu.Unlock()
			return Letter{}, ErrNotFound
		}
		e, file := seg.entries[i], seg.file
		s.mu.Unlock()
		line := make([]byte, e.size)
		_, err := file.ReadAt(line, int64(e.off))
		switch {
		case err == nil:
			return parseLine(line)
		case retries == maxRetries:
			return Letter{}, fmt.Errorf("read the dead letter %d in %s: %w", number, seg.path, err)
		}
	}
}

// Search is part of [Collection].
func (s *Store) Search(ctx context.Context, q Query) (Page, error) {
	c := newPageBuilder(q)
	if len(q.Numbers) > 0 {
		return s.searchNumbers(ctx, c)
	}
	part, p := rawPart(q), headParser{}
	before := q.Before
	if before == 0 {
		before = aboveAll
	}
	for retries := 0; !c.full(); {
		if ctx.Err() != nil {
			return Page{}, ctx.Err()
		}
		ch := s.chunk(&q, before)
		if q.inIndex() {
			for i := 0; i < len(ch.found) && !c.full(); i++ {
				c.addNumber(ch.first + uint64(ch.found[i].delta))
			}
			ch.found = nil
		}
		err := ch.lines(ctx, func(number uint64, line []byte) bool {
			if len(part) == 0 || bytes.Contains(line, part) || bytes.Contains(line, inBase64) {
				h, err := p.parse(line)
				if err == nil && q.mayMatch(&h) { // an error was logged when the store was opened
					if q.inHead() {
						c.addNumber(number)
					} else if l, err := parseLine(line); err == nil && !c.add(&l) {
						return false
					}
				}
			}
			c.next = number // of each line, so that it does not show which ones match
			return !c.full()
		})
		if err != nil && ctx.Err() == nil {
			if before = min(before, c.next); retries < maxRetries { // the file was replaced or deleted meanwhile
				retries++
				continue
			}
			return Page{}, err
		}
		if c.ended || ch.end {
			break
		}
		before, c.next, retries = ch.lowest, ch.lowest, 0
	}
	return c.page(), nil
}

// inBase64 is in the lines of payloads that are not UTF-8.
var inBase64 = []byte(`"data_base64":`)

// searchNumbers examines the letters that the query names.
func (s *Store) searchNumbers(ctx context.Context, c *pageBuilder) (Page, error) {
	numbers := slices.Clone(c.q.Numbers)
	slices.Sort(numbers)
	for _, n := range slices.Backward(slices.Compact(numbers)) {
		if ctx.Err() != nil {
			return Page{}, ctx.Err()
		}
		if c.full() {
			break
		}
		if !c.q.selects(n) {
			continue
		}
		l, err := s.Get(n)
		switch {
		case err == nil:
			c.add(&l)
		case !errors.Is(err, ErrNotFound):
			return Page{}, err
		}
	}
	return c.page(), nil
}

// chunk is a part of a segment that a search reads.
type chunk struct {
	file interface {
		ReadAt([]byte, int64) (int, error)
	}
	first  uint64  // of the segment
	found  []entry // that may match, the newest first
	lowest uint64  // lower numbers were not examined
	end    bool    // no lower numbers exist
}

// chunk returns the newest letters below a number that may match.
func (s *Store) chunk(q *Query, before uint64) chunk {
	id, key := hashOf(q.ID), hashOf(q.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	var wanted []bool
	if q.Component != "" {
		wanted = make([]bool, len(s.components))
		for i, name := range s.components {
			wanted[i] = strings.Contains(name, q.Component)
		}
	}
	for n := len(s.segments) - 1; n >= 0; n-- {
		seg := s.segments[n]
		if seg.first >= before || len(seg.entries) == 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(seg.entries, before, func(e entry, number uint64) int {
			if seg.first+uint64(e.delta) < number {
				return -1
			}
			return 1
		})
		ch := chunk{file: seg.file, first: seg.first}
		for examined := 0; i > 0 && examined < maxExamined && len(ch.found) < maxChunk; examined++ {
			i--
			e := &seg.entries[i]
			ch.lowest = seg.first + uint64(e.delta)
			if e.gone || wanted != nil && !wanted[e.component] || q.ID != "" && e.id != id || q.Key != "" && e.key != key ||
				!q.Since.IsZero() && e.at < q.Since.UnixMilli() || !q.Until.IsZero() && (e.at > q.Until.UnixMilli() || e.at == q.Until.UnixMilli() && q.inIndex()) {
				continue
			}
			ch.found = append(ch.found, *e)
		}
		if i == 0 {
			ch.lowest = min(seg.first, before)
			ch.end = n == 0
		}
		return ch
	}
	return chunk{end: true}
}

// lines calls look with each line of the chunk and its number, the newest first, until it returns false or ctx ends.
func (ch *chunk) lines(ctx context.Context, look func(number uint64, line []byte) bool) error {
	var block []byte
	for i := 0; i < len(ch.found); {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e := ch.found[i]
		end := int64(e.off) + int64(e.size)
		j, from, sum := i+1, e.off, int64(e.size)
		for j < len(ch.found) { // lines that stand close together are read at once
			o := ch.found[j]
			if span := end - int64(o.off); span > maxBlock || span > 2*(sum+int64(o.size)) {
				break
			}
			from, sum = o.off, sum+int64(o.size)
			j++
		}
		block = slices.Grow(block[:0], int(end-int64(from)))[:end-int64(from)]
		if _, err := ch.file.ReadAt(block, int64(from)); err != nil {
			return err
		}
		for ; i < j; i++ {
			o := ch.found[i]
			if !look(ch.first+uint64(o.delta), block[o.off-from:o.off-from+o.size]) {
				return nil
			}
		}
	}
	return nil
}

// rawPart returns bytes that the line of each match has: the longest part of a text of the query that JSON does not escape. It is nil where
// lines differ from what is compared, also where Hide may hide the payload and the reason.
func rawPart(q Query) []byte {
	var longest string
	for _, text := range []string{q.ID, q.Key, q.Component} {
		longest = longer(longest, text)
	}
	if q.Hide != nil {
		return []byte(longest)
	}
	longest = longer(longest, q.Reason)
	if utf8.ValidString(q.Text) { // else the payload is in base64
		longest = longer(longest, q.Text)
	}
	return []byte(longest)
}

// longer returns the longest part of text without escapes, or longest.
func longer(longest, text string) string {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r < ' ' || r == '"' || r == '\\' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
	}) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}
