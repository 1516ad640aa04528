package postgresoutbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// model is a database in which transactions draw ids, and a reader with a cursor.
type model struct {
	rnd      *rand.Rand
	next     int64
	nextTx   int
	open     map[string][]int64 // transactions that have drawn ids, by virtual transaction
	idle     []string           // those that have drawn none yet
	visible  []int64            // committed
	aborted  map[int64]bool
	cursor   cursor
	received map[int64]int
	broken   string
	missed   int64 // was there, and did not come with what is above it
}

func newModel(seed uint64, broken string) *model {
	return &model{rnd: rand.New(rand.NewPCG(seed, 1)), open: map[string][]int64{}, aborted: map[int64]bool{}, received: map[int64]int{}, broken: broken}
}

func (m *model) anyOpen() string {
	names := make([]string, 0, len(m.open))
	for name := range m.open {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return ""
	}
	return names[m.rnd.IntN(len(names))]
}

// step does one thing that may happen.
func (m *model) step() {
	switch k := m.rnd.IntN(10); {
	case k < 2:
		m.nextTx++
		m.idle = append(m.idle, fmt.Sprintf("3/%d", m.nextTx))
	case k < 5: // draw an id
		if len(m.idle) > 0 && m.rnd.IntN(2) == 0 {
			i := m.rnd.IntN(len(m.idle))
			m.next++
			m.open[m.idle[i]] = []int64{m.next}
			m.idle = slices.Delete(m.idle, i, i+1)
		} else if tx := m.anyOpen(); tx != "" {
			m.next++
			m.open[tx] = append(m.open[tx], m.next)
		}
	case k == 5: // prepare: the transaction gets another name
		if tx := m.anyOpen(); tx != "" && tx[0] == '3' && m.rnd.IntN(4) == 0 {
			m.open["-1/"+tx[2:]] = m.open[tx]
			delete(m.open, tx)
		}
	case k < 8:
		if tx := m.anyOpen(); tx != "" {
			m.end(tx, m.rnd.IntN(3) > 0)
		}
	case k == 8:
		m.read(1 + m.rnd.IntN(4))
	default:
		m.updateHolders()
	}
}

func (m *model) end(tx string, commit bool) {
	for _, id := range m.open[tx] {
		if commit {
			m.visible = append(m.visible, id)
		} else {
			m.aborted[id] = true
		}
	}
	slices.Sort(m.visible)
	delete(m.open, tx)
}

// xid is the transaction id of a virtual transaction, which it keeps when it is prepared.
func xid(tx string) (n int64) {
	_, number, _ := strings.Cut(tx, "/")
	n, _ = strconv.ParseInt(number, 10, 64)
	return n
}

// read takes up to limit rows of each half, as the query does.
func (m *model) read(limit int) {
	from, to, open := m.cursor.rangesToRead()
	for {
		ended := slices.DeleteFunc(open, func(x int64) bool {
			for tx := range m.open {
				if xid(tx) == x {
					return true
				}
			}
			return false
		})
		if len(ended) == 0 || m.broken == "ended unnoticed" {
			break
		}
		m.cursor.noteEnded(ended)
		from, to, open = m.cursor.rangesToRead()
	}
	var inGaps, beyond []int64
	for _, id := range m.visible {
		switch {
		case id > m.cursor.high && len(beyond) < limit:
			beyond = append(beyond, id)
		case id <= m.cursor.high && len(inGaps) < limit:
			for i := range from {
				if from[i] <= id && id <= to[i] {
					inGaps = append(inGaps, id)
				}
			}
		}
	}
	saw := len(inGaps) < limit
	if !saw && m.broken != "beyond overtakes" {
		beyond = nil
	}
	ids := append(inGaps, beyond...)
	slices.Sort(ids)
	for _, id := range ids {
		m.received[id]++
	}
	seenTo := int64(sawAll)
	if !saw && m.broken != "dead although unseen" {
		seenTo = inGaps[len(inGaps)-1]
	}
	m.cursor.advance(ids, seenTo)
	if saw || m.broken == "probed although unseen" {
		m.cursor.noteFullRead()
	}
	for _, id := range m.visible { // nothing that came overtakes what came before
		if len(ids) > 0 && saw && id <= m.cursor.high && m.received[id] == 0 {
			m.missed = id
		}
	}
	if m.broken == "one number" {
		m.cursor.pending = nil
	}
}

func (m *model) updateHolders() {
	now := lockHolders{}
	for tx := range m.open {
		if m.broken != "prepared forgotten" || tx[0] == '3' {
			now[tx] = xid(tx)
		}
	}
	m.cursor.updateHolders(now, m.next)
	if m.broken == "drop at once" {
		if m.rnd.IntN(2) == 0 { // what commits between the last read and the look
			m.read(1)
		}
		m.cursor.pending = slices.DeleteFunc(m.cursor.pending, func(g idRange) bool { return g.final() })
	}
}

// finish ends all transactions, reads to the end, and says what is wrong.
func (m *model) finish() error {
	for tx := m.anyOpen(); tx != ""; tx = m.anyOpen() {
		m.end(tx, true)
	}
	for range 2*m.next + 4 {
		m.read(3)
		m.updateHolders()
	}
	m.read(3)
	for _, id := range m.visible {
		if m.received[id] != 1 {
			return fmt.Errorf("id %d was received %d times", id, m.received[id])
		}
	}
	if len(m.received) != len(m.visible) {
		return fmt.Errorf("%d ids were received, %d committed", len(m.received), len(m.visible))
	}
	if m.missed > 0 {
		return fmt.Errorf("id %d was there, and was overtaken", m.missed)
	}
	if len(m.cursor.pending) > 0 {
		return fmt.Errorf("gaps are left: %s", m.cursor.multirange())
	}
	return nil
}

// TestCursorMatchesModel proves that each committed id is received once with any interleaving of
// transactions. Each deliberate fault of the protocol is detected.
func TestCursorMatchesModel(t *testing.T) {
	run := func(seed uint64, broken string) error {
		m := newModel(seed, broken)
		for range 20 + seed%100 {
			m.step()
		}
		return m.finish()
	}
	const seeds = 5_000
	for seed := range uint64(seeds) {
		if err := run(seed, ""); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	for _, broken := range []string{"one number", "drop at once", "prepared forgotten", "dead although unseen", "ended unnoticed"} {
		found := 0
		for seed := range uint64(seeds) {
			if run(seed, broken) != nil {
				found++
			}
		}
		if found == 0 {
			t.Errorf("%s: nothing is found", broken)
		}
		t.Logf("%s: %d of %d runs fail", broken, found, seeds)
	}
}

func TestMultirangeText(t *testing.T) {
	c := cursor{high: 20}
	c.pending, _ = parseRanges("{[1,4),[7,8)}")
	if got := c.multirange(); got != "{[1,4),[7,8)}" || c.low() != 0 || c.countPending() != 4 {
		t.Errorf("%s, low %d, open %d", got, c.low(), c.countPending())
	}
	c.advance([]int64{2, 7, 9 + 12}, sawAll)
	if got := c.multirange(); got != "{[1,2),[3,4)}" || c.high != 21 {
		t.Errorf("%s, hi %d", got, c.high)
	}
	for _, text := range []string{"{[a,b)}", "{[3,3)}"} {
		if _, err := parseRanges(text); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
	if gaps, err := parseRanges("{}"); err != nil || gaps != nil {
		t.Errorf("%v, %v", gaps, err)
	}
}
