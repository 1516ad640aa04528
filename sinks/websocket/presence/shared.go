package presence

import "slices"

// The share calls the functions of this file.

// store queues the counts of a channel to be stored. While the share is not connected, it does nothing: then all are
// stored once it is.
func (r *Registry) store(ch *channel) {
	if !r.stores || ch.unstored || ch.clients == 0 && !ch.inRedis {
		return
	}
	ch.unstored = true
	r.toStore = append(r.toStore, ch)
	r.share.wake()
}

// load queues the counts of a channel to be read.
func (r *Registry) load(ch *channel) {
	if !r.loads || ch.loading {
		return
	}
	ch.loading = true
	r.toLoad = append(r.toLoad, ch)
	r.share.wake()
}

// connect records that the share is connected. It reports whether that follows an outage.
func (r *Registry) connect() (outage bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stores = true
	r.storeAll()
	return r.partial
}

// storeAll queues all counts to be stored. It needs mu.
func (r *Registry) storeAll() {
	for _, ch := range r.channels {
		r.store(ch)
	}
}

// disconnect records that the share has failed. It reports whether this is the first failure since the state was complete, or
// since the start.
func (r *Registry) disconnect() (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = !r.partial
	r.stores, r.loads, r.partial, r.toStore, r.toLoad = false, false, true, nil, nil
	for _, ch := range r.channels {
		ch.unstored, ch.loading = false, false
	}
	if first {
		r.queueAll()
	}
	return first
}

// forgetStored records that the node has another name, under which Redis has no counts.
func (r *Registry) forgetStored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ch := range r.channels {
		ch.inRedis = false
		r.free(ch)
	}
}

// loadAll queues all channels to be read.
func (r *Registry) loadAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loads = true
	for _, ch := range r.channels {
		r.load(ch)
	}
}

// loadChanged queues the channels whose changes other nodes have announced.
func (r *Registry) loadChanged(ids []channelID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if ch := r.byID[id]; ch != nil {
			r.load(ch)
		}
	}
}

// complete records that all channels were read since the share was connected. It reports whether the state was partial.
func (r *Registry) complete() (healed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.partial || !r.loads || len(r.toLoad) > 0 {
		return false
	}
	r.partial = false
	r.queueAll()
	return true
}

// storedState is the state of a channel to be stored. One without clients is removed.
type storedState struct {
	channel *channel
	state   nodeState
}

// takeToStore returns at most limit states to be stored.
func (r *Registry) takeToStore(limit int) (list []storedState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, len(r.toStore))
	for _, ch := range r.toStore[:n] {
		ch.unstored = false
		if r.channels[ch.name] == ch && (ch.clients > 0 || ch.inRedis) {
			ch.inRedis = true
			list = append(list, storedState{ch, r.ownState(ch)})
		}
	}
	if r.toStore = r.toStore[n:]; len(r.toStore) == 0 {
		r.toStore = nil
	}
	return list
}

// noteStored records that states were stored.
func (r *Registry) noteStored(list []storedState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range list {
		if s.state.Clients == 0 && !s.channel.unstored {
			s.channel.inRedis = false
			r.free(s.channel)
		}
	}
}

// takeToLoad returns at most limit channels to be read.
func (r *Registry) takeToLoad(limit int) (list []*channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, len(r.toLoad))
	for _, ch := range r.toLoad[:n] {
		ch.loading = false
		if r.channels[ch.name] == ch {
			list = append(list, ch)
		}
	}
	if r.toLoad = r.toLoad[n:]; len(r.toLoad) == 0 {
		r.toLoad = nil
	}
	return list
}

// setLoaded sets the counts of the other nodes on a channel.
func (r *Registry) setLoaded(ch *channel, remote map[string]nodeState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.channels[ch.name] != ch {
		return
	}
	if same := ch.loaded && equalStates(ch.remote, remote); !same {
		r.setRemote(ch, remote)
		ch.stale = true
	}
	ch.loaded = true
	if len(ch.listeners) > 0 {
		r.queue(ch)
	}
}

// dropNodes removes the counts of nodes that are not alive.
func (r *Registry) dropNodes(alive map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ch := range r.channels {
		for node, s := range ch.remote {
			if !alive[node] {
				delete(ch.remote, node)
				r.addBytes(-s.bytes())
				ch.stale = true
				r.queue(ch)
			}
		}
	}
}

// setRemote replaces the counts of other nodes. It needs mu.
func (r *Registry) setRemote(ch *channel, remote map[string]nodeState) {
	for _, s := range ch.remote {
		r.addBytes(-s.bytes())
	}
	for _, s := range remote {
		r.addBytes(s.bytes())
	}
	ch.remote = remote
}

func equalStates(a, b map[string]nodeState) bool {
	if len(a) != len(b) {
		return false
	}
	for node, s := range a {
		other, ok := b[node]
		if !ok || s.Clients != other.Clients || s.Many != other.Many || !slices.Equal(s.Subjects, other.Subjects) {
			return false
		}
	}
	return true
}
