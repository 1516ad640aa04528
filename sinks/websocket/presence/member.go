package presence

import (
	"errors"
	"slices"
)

// Bounds of one member.
const (
	maxMemberChannels = 100
	maxSubject        = 128 // bytes
)

// Errors of Member.Ask, for the client.
var (
	errNotOn           = errors.New("you are not subscribed to this channel by its name, and only its clients see who is there: subscribe to it")
	errNotKept         = errors.New("no presence is kept for this channel: choose one that the option presence.channels lists")
	errTooMany         = errors.New("too many channels have presence at this gateway: try again later")
	errTooManyOfMember = errors.New("presence is kept for 100 channels of a client at most: unsubscribe from others")
)

// Member is a client of a registry. Its methods are safe for concurrent use.
type Member struct {
	registry *Registry
	wake     func()

	// Registry.mu guards what follows.
	subject  string
	channels []*membership
	due      []*membership // those with a message to send
}

// membership is a member on a channel. Registry.mu guards it.
type membership struct {
	member  *Member
	channel *channel
	watches bool   // gets messages at changes
	asked   bool   // gets the state next
	queued  bool   // in Member.due
	version uint64 // of the state that it was sent
}

// NewMember returns a client on no channel. wake is called when it has a message, under a lock, and must not block.
func (r *Registry) NewMember(wake func()) *Member { return &Member{registry: r, wake: wake} }

// SetSubject sets the subject of the client, before the next Set. A client whose subject is longer than 128 bytes is
// anonymous, because a part of it might be the subject of another client.
func (m *Member) SetSubject(subject string) {
	if len(subject) > maxSubject || !m.registry.opts.Subjects {
		subject = ""
	}
	r := m.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	old := m.subject
	if subject == old {
		return
	}
	m.subject = subject
	for _, on := range m.channels { // first joins, so that no channel ends
		r.join(on.channel.name, subject)
		r.leave(on.channel, old)
	}
}

// Set sets the channels that the client is on, and whether it watches each: then it gets a message at changes. It ignores
// channels for which no presence is kept, and those beyond the bounds.
func (m *Member) Set(channels map[string]bool) {
	r := m.registry
	var kept []string // chosen before the lock, which all clients share: there may be 10,000 names
	for name := range channels {
		if r.opts.keeps(name) {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.channels = slices.DeleteFunc(m.channels, func(on *membership) bool {
		watches, stays := channels[on.channel.name]
		if stays {
			on.watches = watches
			on.listen()
			return false
		}
		on.end()
		return true
	})
	for _, name := range kept {
		if len(m.channels) == maxMemberChannels {
			return
		}
		if m.on(name) != nil {
			continue
		}
		ch := r.join(name, m.subject)
		if ch == nil {
			continue
		}
		on := &membership{member: m, channel: ch, watches: channels[name]}
		m.channels = append(m.channels, on)
		r.addBytes(membershipBytes)
		on.listen()
		r.begin()
	}
	if len(m.channels) == 0 {
		m.channels, m.due = nil, nil
	}
}

// Ask makes the state of a channel the next message to the client. It returns an error that tells why the client is not on
// the channel.
func (m *Member) Ask(channel string) error {
	r := m.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	on := m.on(channel)
	switch {
	case on != nil:
	case !r.opts.keeps(channel):
		return errNotKept
	case len(m.channels) == maxMemberChannels:
		return errTooManyOfMember
	case len(r.channels) >= r.opts.MaxChannels && r.channels[channel] == nil:
		return errTooMany
	default:
		return errNotOn
	}
	on.asked = true
	on.listen()
	r.queue(on.channel)
	return nil
}

// on returns the membership on a channel, nil if there is none.
func (m *Member) on(channel string) *membership {
	for _, on := range m.channels {
		if on.channel.name == channel {
			return on
		}
	}
	return nil
}

// listen adds the membership to the listeners of its channel if it needs messages, else it removes it.
func (on *membership) listen() {
	if !on.watches && !on.asked {
		delete(on.channel.listeners, on)
		return
	}
	on.channel.listeners[on] = struct{}{}
}

// end ends the membership.
func (on *membership) end() {
	r := on.member.registry
	on.watches, on.asked = false, false
	on.listen()
	if on.queued {
		on.member.due = slices.DeleteFunc(on.member.due, func(other *membership) bool { return other == on })
	}
	r.addBytes(-membershipBytes)
	r.leave(on.channel, on.member.subject)
}

// AppendMessages appends messages to the client, as Config.Encode returns them. It appends no more once there are limit
// bytes; then it calls wake.
func (m *Member) AppendMessages(dst []byte, limit int) []byte {
	r := m.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, on := range m.due {
		if len(dst) >= limit {
			m.due = slices.Delete(m.due, 0, i)
			m.wake()
			return dst
		}
		s := &on.channel.shown
		switch {
		case on.asked || on.version+1 != s.version || s.change == nil:
			dst = append(dst, s.whole()...)
		default:
			dst = append(dst, s.change...)
		}
		on.queued, on.asked, on.version = false, false, s.version
		on.listen()
	}
	m.due = nil
	return dst
}
