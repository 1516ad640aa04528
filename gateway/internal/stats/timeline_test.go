package stats

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// texts returns the texts of a page.
func (p TimelinePage) texts() (texts []string) {
	for _, o := range p.Occurrences {
		texts = append(texts, o.Component+": "+o.Text)
	}
	return texts
}

// TestTimelineKeepsRareOccurrences proves that neither a component nor a kind with many occurrences pushes out others, and that the
// memory is bounded.
func TestTimelineKeepsRareOccurrences(t *testing.T) {
	tl := NewTimeline()
	tl.Add("source rare", KindGap, LevelProblem, "a gap")
	tl.Add("source often", KindGap, LevelProblem, "its only gap")
	for i := range 10_000 {
		tl.Add("source often", KindOutage, LevelProblem, fmt.Sprint("down ", i))
	}
	p := tl.Page("")
	if n := len(p.Occurrences); n != maxOccurrences+2 || p.Occurrences[0].Text != "a gap" || p.Occurrences[n-1].Text != "down 9999" || p.Occurrences[2].Text != fmt.Sprint("down ", 10_000-maxOccurrences) {
		t.Errorf("%d occurrences: %v", n, p.texts())
	}
	for i := range 2 * maxKinds {
		tl.Add(fmt.Sprint("source ", i), KindGap, LevelProblem, strings.Repeat("é", maxOccurrenceText))
	}
	p = tl.Page("")
	if n := len(p.Occurrences); n != maxKinds || len(p.Occurrences[0].Text) > maxOccurrenceText+3 || p.Occurrences[0].Component != fmt.Sprint("source ", maxKinds) {
		t.Errorf("%d occurrences, the first of %s with %d bytes", n, p.Occurrences[0].Component, len(p.Occurrences[0].Text))
	}
}

// TestTimelineGoesOnSince proves that each occurrence is in one page, and that a cursor of another run gets all.
func TestTimelineGoesOnSince(t *testing.T) {
	tl := NewTimeline()
	tl.Add("gateway", KindGateway, LevelInfo, "starts")
	first := tl.Page("")
	if !first.Whole || len(first.Occurrences) != 1 || first.Next != tl.Next() {
		t.Errorf("%+v", first)
	}
	if again := tl.Page(first.Next); again.Whole || len(again.Occurrences) != 0 || again.Next != first.Next {
		t.Errorf("%+v", again)
	}
	tl.Add("source a", KindGap, LevelProblem, "a gap")
	if more := tl.Page(first.Next); more.Whole || len(more.Occurrences) != 1 || more.Occurrences[0].Text != "a gap" {
		t.Errorf("%+v", more)
	}
	for _, since := range []string{"OTHER-1", tl.run + "-99", tl.run + "-x", "-", tl.run} {
		if p := tl.Page(since); !p.Whole || len(p.Occurrences) != 2 {
			t.Errorf("since %s: %+v", since, p)
		}
	}
}

// TestTimelineHasOutages proves that an outage is recorded with its begin, each new reason and its end, and that a component without
// a timeline works.
func TestTimelineHasOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := NewTimeline()
		recorded, alone := NewMonitor(slog.New(slog.DiscardHandler)), NewMonitor(slog.New(slog.DiscardHandler))
		recorded.RecordIn(tl, "sink shop")
		for _, m := range []*Monitor{alone, recorded} {
			m.Up()
			time.Sleep(time.Minute)
			for range 30 {
				m.Down(errors.New("refused"), time.Second)
				time.Sleep(time.Second)
			}
			m.Down(errors.New("wrong password"), time.Second)
			time.Sleep(time.Second)
			m.Up()
			up := time.Now()
			time.Sleep(upAfter)
			synctest.Wait()
			if o := tl.Page("").Occurrences; m == recorded && (len(o) == 0 || !o[len(o)-1].Time.Equal(up)) {
				t.Errorf("%+v, up at %v", o, up)
			}
		}
		want := "sink shop: down: refused\nsink shop: still down: wrong password\nsink shop: works again after 31s, 31 failed attempts"
		if got := strings.Join(tl.Page("").texts(), "\n"); got != want {
			t.Errorf("%s", got)
		}
	})
}
