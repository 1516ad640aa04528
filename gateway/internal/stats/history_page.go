package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// HistoryPage is a part of a history.
type HistoryPage struct {
	// Start is the time of the first figure, in milliseconds since 1970; the others follow each second. The times are counted
	// back from the clock at the latest figure, so a change of the clock shifts all of them.
	Start int64 `json:"start"`
	Count int   `json:"count"` // of figures in each series
	// Whole is set if the page has all figures, and not only those after since.
	Whole bool   `json:"whole"`
	Next  string `json:"next"` // since of the next request
	// Total and Components have series of figures by name.
	Total      map[string]Series            `json:"total"`
	Components map[string]map[string]Series `json:"components"`
}

// Series are figures, one for each second.
type Series []float32

// MarshalJSON writes a figure that was not measured as null, and other ones with four significant digits.
func (s Series) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 5*len(s)+2), '[')
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		switch x := float64(v); {
		case math.IsNaN(x) || math.IsInf(x, 0):
			b = append(b, "null"...)
		case x == math.Trunc(x):
			b = strconv.AppendFloat(b, x, 'f', 0, 64)
		default:
			b = strconv.AppendFloat(b, x, 'g', 4, 64)
		}
	}
	return append(b, ']'), nil
}

// Page returns the figures after since, which is "" or the Next of a page, up to now. With a since of another run, or one that is
// too old, it returns all.
func (h *History) Page(since string) HistoryPage {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := max(0, h.last-HistoryLength+1)
	first, known := h.after(since)
	if !known || first < oldest {
		first, known = oldest, false
	}
	count := int(h.last - first + 1)
	p := HistoryPage{
		Start: h.lastAt.UnixMilli() - int64(count-1)*1000, Count: count, Whole: !known, Next: h.next(),
		Total: h.total.page(first, count), Components: map[string]map[string]Series{},
	}
	if count == 0 {
		p.Start = 0
	}
	for name, f := range h.components {
		p.Components[name] = f.page(first, count)
	}
	return p
}

func (h *History) next() string { return fmt.Sprintf("%s-%d", h.run, h.last) }

// after returns the second after that of a Next, and whether it is one of this history.
func (h *History) after(since string) (second int64, known bool) {
	run, text, _ := strings.Cut(since, "-")
	last, err := strconv.ParseInt(text, 10, 64)
	if run != h.run || err != nil || last < -1 || last > h.last {
		return 0, false
	}
	return last + 1, true
}

func (f *figures) page(first int64, count int) map[string]Series {
	page := map[string]Series{}
	for i, name := range f.names {
		s := make(Series, count)
		for j := range s {
			s[j] = f.values[i][(first+int64(j))%HistoryLength]
		}
		page[name] = s
	}
	return page
}
