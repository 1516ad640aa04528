package dedupe

import "time"

// memory remembers the events of one route, in order of arrival. All are remembered for the same
// time, so the oldest expires first.
type memory struct {
	window time.Duration
	size   int
	now    func() time.Time

	known map[key]bool
	queue []entry // a ring as soon as it has size entries
	first int     // of the ring
	count int
}

type entry struct {
	key key
	at  time.Time
}

// seen reports whether k is known, and remembers it.
func (m *memory) seen(k key) bool {
	now := m.now()
	for m.count > 0 && now.Sub(m.queue[m.first].at) >= m.window {
		m.forget()
	}
	if m.known[k] {
		return true
	}
	if m.count == m.size {
		m.forget()
	}
	m.remember(entry{k, now})
	return false
}

func (m *memory) forget() {
	delete(m.known, m.queue[m.first].key)
	m.first = (m.first + 1) % len(m.queue)
	m.count--
}

func (m *memory) remember(e entry) {
	if m.count == len(m.queue) { // grow, in order
		grown := make([]entry, min(max(64, 2*len(m.queue)), m.size))
		for i := range m.count {
			grown[i] = m.queue[(m.first+i)%len(m.queue)]
		}
		m.queue, m.first = grown, 0
	}
	m.queue[(m.first+m.count)%len(m.queue)] = e
	m.known[e.key] = true
	m.count++
}
