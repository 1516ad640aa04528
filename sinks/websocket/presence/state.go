package presence

import (
	"encoding/json"
	"slices"
	"time"
)

// messageInterval is the shortest time between two messages about a channel.
const messageInterval = time.Second

// state is the number and the subjects of the clients on a channel, of all nodes.
type state struct {
	clients  int
	subjects []string // sorted; nil if there are too many, or none are sent
	many     bool     // more subjects than max_subjects
	partial  bool     // the clients of other nodes are missing, or as they were last known
}

// shown is the state of a channel that its listeners are sent, and the messages about it.
type shown struct {
	state
	version uint64 // 0: none yet
	at      time.Time
	change  []byte // the difference to the version before; nil: send the whole state
	encoded []byte // the whole state, once it was needed
	encode  func() []byte
}

// whole returns the message with the whole state.
func (s *shown) whole() []byte {
	if s.encoded == nil {
		s.encoded = s.encode()
	}
	return s.encoded
}

// message is a message to clients.
type message struct {
	Type     string    `json:"type"`
	Channel  string    `json:"channel"`
	Clients  int       `json:"clients"`
	Subjects *[]string `json:"subjects,omitempty"`
	Joined   []string  `json:"joined,omitempty"`
	Left     []string  `json:"left,omitempty"`
	Many     bool      `json:"many,omitempty"`
	Partial  bool      `json:"partial,omitempty"`
}

// messageOf returns the message with the whole state, or with a difference.
func (r *Registry) messageOf(ch *channel, s state, whole bool, joined, left []string) []byte {
	m := message{Type: "presence", Channel: ch.name, Clients: s.clients, Joined: joined, Left: left, Many: s.many, Partial: s.partial}
	if whole && r.opts.Subjects && !s.many {
		m.Subjects = &s.subjects
	}
	text, _ := json.Marshal(m) // texts and numbers always encode
	return r.encode(text)
}

// stateOf returns the current state of a channel.
func (r *Registry) stateOf(ch *channel) (s state) {
	s.partial = r.partial || r.share != nil && !ch.loaded
	s.clients = ch.clients
	for _, n := range ch.remote {
		s.clients += n.Clients
	}
	if !r.opts.Subjects {
		return s
	}
	own := r.ownState(ch)
	s.many, s.subjects = own.Many, own.Subjects
	for _, n := range ch.remote {
		s.many = s.many || n.Many
		s.subjects = append(s.subjects, n.Subjects...)
	}
	slices.Sort(s.subjects)
	s.subjects = slices.Compact(s.subjects)
	if s.many = s.many || len(s.subjects) > r.opts.MaxSubjects; s.many {
		s.subjects = nil
	} else if s.subjects == nil {
		s.subjects = []string{} // [] in JSON
	}
	return s
}

// ownState returns what this node stores about a channel.
func (r *Registry) ownState(ch *channel) nodeState {
	n := nodeState{Clients: ch.clients}
	if !r.opts.Subjects {
		return n
	}
	if len(ch.subjects) > r.opts.MaxSubjects+1 {
		n.Many = true
		return n
	}
	for subject := range ch.subjects {
		if subject != "" {
			n.Subjects = append(n.Subjects, subject)
		}
	}
	if n.Many = len(n.Subjects) > r.opts.MaxSubjects; n.Many {
		n.Subjects = nil
	}
	slices.Sort(n.Subjects)
	return n
}

// publish shows the current state of a channel to its listeners.
func (r *Registry) publish(ch *channel, now time.Time) {
	if ch.stale || ch.shown.version == 0 {
		r.show(ch, now)
		ch.stale = false
	}
	for on := range ch.listeners {
		if (on.asked || on.version != ch.shown.version) && !on.queued {
			on.queued = true
			on.member.due = append(on.member.due, on)
			on.member.wake()
		}
	}
}

// show makes the current state of a channel the one that is shown, with the messages about it.
func (r *Registry) show(ch *channel, now time.Time) {
	s, old := r.stateOf(ch), &ch.shown
	same := s.clients == old.clients && s.many == old.many && s.partial == old.partial && slices.Equal(s.subjects, old.subjects)
	if old.version > 0 && same {
		return
	}
	next := shown{state: s, version: old.version + 1, at: now}
	if !s.many && !old.many && old.version > 0 {
		if joined, left := difference(old.subjects, s.subjects); len(joined)+len(left) <= len(s.subjects) {
			next.change = r.messageOf(ch, s, false, joined, left)
		}
	}
	next.encode = func() []byte { return r.messageOf(ch, s, true, nil, nil) }
	r.addBytes(next.bytes() - old.bytes())
	ch.shown = next
}

// bytes returns the memory of the state and its messages; the whole one is estimated.
func (s *shown) bytes() (n int) {
	for _, subject := range s.subjects {
		n += 2 * (len(subject) + 16)
	}
	return n + len(s.change)
}

// difference compares two sorted lists.
func difference(old, now []string) (joined, left []string) {
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(old) == 0 || len(now) > 0 && now[0] < old[0]:
			joined, now = append(joined, now[0]), now[1:]
		case len(now) == 0 || old[0] < now[0]:
			left, old = append(left, old[0]), old[1:]
		default:
			old, now = old[1:], now[1:]
		}
	}
	return joined, left
}
