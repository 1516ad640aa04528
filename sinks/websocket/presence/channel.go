package presence

import (
	"crypto/sha256"
	"time"
)

// Estimates of the memory of a registry, in bytes; texts come on top.
const (
	channelBytes    = 400
	subjectBytes    = 120
	membershipBytes = 120
	remoteBytes     = 120
)

// channelID identifies a channel in Redis. A hash is short, and spreads the channels over the slots of a cluster, whatever
// names clients choose.
type channelID [16]byte

func idOf(name string) channelID {
	sum := sha256.Sum256([]byte(name))
	return channelID(sum[:])
}

// channel counts the clients of one channel, lingering ones included. It exists while it has clients of this node, or while
// Redis may have a field of this node.
type channel struct {
	name      string
	id        channelID
	clients   int
	subjects  map[string]*count // by subject; "" is that of anonymous clients
	listeners map[*membership]struct{}
	shown     shown
	stale     bool // the counts have changed since they were shown
	queued    bool // in Registry.changed

	// With a share only.
	remote   map[string]nodeState // by node
	loaded   bool                 // remote was read
	loading  bool                 // in Registry.toLoad
	unstored bool                 // in Registry.toStore
	inRedis  bool                 // Redis may have a field of this node
}

// count counts the clients of one subject on a channel.
type count struct {
	clients   int // lingering ones included
	lingering int
	replaced  int // departures in Registry.departures that another client has replaced
}

// nodeState is what a node has stored about a channel.
type nodeState struct {
	Clients  int      `json:"n"`
	Subjects []string `json:"s,omitempty"` // sorted
	Many     bool     `json:"m,omitempty"` // more subjects than max_subjects
}

// bytes returns the memory of the state.
func (s nodeState) bytes() (n int) {
	for _, subject := range s.Subjects {
		n += len(subject) + 16
	}
	return n + remoteBytes
}

// join counts a client of a subject on a channel. It returns nil if there are too many channels.
func (r *Registry) join(name, subject string) *channel {
	ch := r.channels[name]
	if ch == nil {
		if len(r.channels) >= r.opts.MaxChannels {
			return nil
		}
		ch = &channel{name: name, id: idOf(name), subjects: map[string]*count{}, listeners: map[*membership]struct{}{}}
		r.channels[name] = ch
		r.addBytes(channelBytes + len(name))
		if r.share != nil {
			r.byID[ch.id] = ch
			r.load(ch)
		}
	}
	c := ch.subjects[subject]
	if c == nil {
		c = &count{}
		ch.subjects[subject] = c
		r.addBytes(subjectBytes + len(subject))
	}
	if c.lingering > 0 { // the new client replaces the one that left first
		c.lingering--
		c.replaced++
		return ch
	}
	c.clients++
	ch.clients++
	r.noteCounts(ch)
	return ch
}

// leave begins the linger of a client. The client counts until its linger ends.
func (r *Registry) leave(ch *channel, subject string) {
	ch.subjects[subject].lingering++
	r.departures.push(departure{ch, subject, time.Now().Add(r.opts.Linger.D())})
	if r.departures.len() > maxDepartures || r.opts.Linger == 0 {
		r.depart(r.departures.pop())
		return
	}
	r.wake()
}

// depart ends the linger of a client, unless another one has replaced it.
func (r *Registry) depart(d departure) {
	c := d.channel.subjects[d.subject]
	if c.replaced > 0 {
		c.replaced--
		return
	}
	c.lingering--
	c.clients--
	d.channel.clients--
	if c.clients == 0 {
		delete(d.channel.subjects, d.subject)
		r.addBytes(-subjectBytes - len(d.subject))
	}
	r.noteCounts(d.channel)
	r.free(d.channel)
}

// noteCounts queues a channel whose counts have changed.
func (r *Registry) noteCounts(ch *channel) {
	ch.stale = true
	r.store(ch)
	r.queue(ch)
}

// free removes a channel without clients, once Redis has no field of it.
func (r *Registry) free(ch *channel) {
	if ch.clients > 0 || ch.inRedis || r.channels[ch.name] != ch {
		return
	}
	r.setRemote(ch, nil)
	r.addBytes(-ch.shown.bytes())
	delete(r.channels, ch.name)
	delete(r.byID, ch.id)
	r.addBytes(-channelBytes - len(ch.name))
}
