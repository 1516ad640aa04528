package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgsnapshot"
)

const (
	// maxUnseenBytes bounds the memory of keys. Beyond it, the keys are forgotten, and only the transactions are known.
	maxUnseenBytes = 16 << 20
	keyOverhead    = 64     // bytes of a key, beside its text
	maxUnseen      = 10_000 // transactions
	lookAtUnseen   = 1000   // transactions; beyond it, those that are visible by now are looked up and forgotten
	minVisibleWait = 2 * time.Millisecond
	maxVisibleWait = time.Second
	// visibleWaitShown is the time after which a snapshot that waits is logged.
	visibleWaitShown = 5 * time.Second
)

// unseen holds the transactions that were emitted, and that are not visible in the latest view of the database. A commit is in the
// WAL before it is visible: for a moment, or for as long as its session waits for a synchronous standby.
type unseen struct {
	view    *pgsnapshot.TxSnapshot // the latest. If a chunk waits, it is that of the chunk
	txs     []*writes              // in the order in which they were emitted
	bytes   int                    // of their keys
	lookAt  int                    // number of transactions beyond which visible ones are looked up
	current *writes                // of the transaction with the id half; nil if it is visible
	half    uint32                 // the lower 32 bits of its id; 0: current is not set

	waiting struct {
		since, until, shown time.Time
		last                time.Duration
	}
}

// writes has the keys that a transaction has changed in tables whose snapshot is not complete.
type writes struct {
	xid  int64
	keys map[string]map[string]struct{} // of events, by table; nil: the keys of the table are not known
	all  bool                           // no key is known
}

// startUnseen begins with the transactions that an earlier Run has stored. Their keys are not known.
func (r *reader) startUnseen(ctx context.Context) error {
	r.unseen = unseen{lookAt: lookAtUnseen}
	for _, xid := range r.snapshot.Unseen {
		r.unseen.txs = append(r.unseen.txs, &writes{xid: xid, all: true})
	}
	return r.lookVisible(ctx)
}

// lookVisible reads the latest view, and forgets the transactions that are visible in it.
func (r *reader) lookVisible(ctx context.Context) error {
	view, err := r.readView(ctx)
	if err != nil {
		return err
	}
	r.setView(view)
	if view.Xmax < r.snapshot.Below { // the server has crashed, and reuses ids: without new transactions, Below would block for ever
		ctx, cancel := r.withTimeout(ctx)
		defer cancel()
		if _, err := r.conn.Exec(ctx, "SELECT pg_current_xact_id()"); err != nil {
			return fmt.Errorf("cannot draw a transaction id: %w", err)
		}
	}
	return nil
}

// setView notes a view, and forgets the transactions that are visible in it.
func (r *reader) setView(view *pgsnapshot.TxSnapshot) {
	u := &r.unseen
	u.view, u.current, u.half = view, nil, 0
	before := len(u.txs)
	u.txs = slices.DeleteFunc(u.txs, func(w *writes) bool { return view.Sees(w.xid) })
	below := r.snapshot.Below
	if view.Xmin >= below {
		below = 0
	}
	if len(u.txs) > maxUnseen {
		for _, w := range u.txs {
			below = max(below, w.xid+1)
		}
		u.txs = nil
	}
	u.lookAt = max(lookAtUnseen, 2*len(u.txs))
	if len(u.txs) == before && below == r.snapshot.Below {
		return
	}
	u.bytes = 0
	changed := *r.snapshot
	changed.Unseen, changed.Below = nil, below
	for _, w := range u.txs {
		u.bytes += w.bytes()
		changed.Unseen = append(changed.Unseen, w.xid)
	}
	r.snapshot = &changed
}

func (w *writes) bytes() (n int) {
	for _, keys := range w.keys {
		for key := range keys {
			n += len(key) + keyOverhead
		}
	}
	return n
}

// noteChange notes a change that is about to be emitted.
func (r *reader) noteChange(e *event.Event) {
	if !r.snapshot.reads(e.Channel) {
		return
	}
	if operation, _ := e.Attr("operation"); operation == operations['T'] {
		r.completeTable(e.Channel) // the rows are gone, and later rows are emitted as changes
		return
	}
	w := r.currentWrites()
	if w == nil || w.all {
		return
	}
	if w.keys == nil {
		w.keys = map[string]map[string]struct{}{}
	}
	keys, noted := w.keys[e.Channel]
	_, barrier := e.Attr(event.AttrBarrier)
	switch {
	case barrier || !r.comparesKeys():
		w.keys[e.Channel] = nil
		return
	case noted && keys == nil:
		return
	case !noted:
		keys = map[string]struct{}{}
		w.keys[e.Channel] = keys
	}
	r.noteKey(keys, e.Key)
	if before, found := e.Attr(event.AttrKeyBefore); found {
		r.noteKey(keys, before)
	}
	if r.unseen.bytes > maxUnseenBytes {
		for _, w := range r.unseen.txs {
			w.keys, w.all = nil, true
		}
		r.unseen.bytes = 0
	}
}

func (r *reader) noteKey(keys map[string]struct{}, key string) {
	if _, noted := keys[key]; !noted {
		keys[key] = struct{}{}
		r.unseen.bytes += len(key) + keyOverhead
	}
}

// currentWrites returns the writes of the transaction that is being received; nil if it is visible in the latest view. From
// its first change on, each mark stores its id, because after a restart its keys up to the mark are not known.
func (r *reader) currentWrites() *writes {
	u := &r.unseen
	if u.half == r.tx.xid {
		return u.current
	}
	xid := u.view.FullXID(r.tx.xid)
	u.half, u.current = r.tx.xid, nil
	if u.view.Sees(xid) {
		return nil
	}
	if i := slices.IndexFunc(u.txs, func(w *writes) bool { return w.xid == xid }); i >= 0 {
		u.current = u.txs[i]
		return u.current
	}
	u.current = &writes{xid: xid}
	u.txs = append(u.txs, u.current)
	changed := *r.snapshot
	changed.Unseen = append(changed.Unseen, xid) // earlier snapshots share the array, and do not have this element
	r.snapshot = &changed
	return u.current
}

// noteCommitted notes that all changes of a transaction were emitted.
func (r *reader) noteCommitted(transaction) { r.unseen.half, r.unseen.current = 0, nil }

// comparesKeys reports whether the key of the present change can be compared with the keys of rows that are read. It can if both have the
// same columns, and write a value as the same text.
func (r *reader) comparesKeys() bool {
	rel := r.relations[r.change.relation]
	if rel == nil {
		return false
	}
	chunk := r.chunk
	if chunk != nil && chunk.Table != rel.table {
		chunk = nil
	}
	if chunk != nil && (chunk.OID != rel.oid || len(chunk.Key) != len(rel.key)) {
		return false
	}
	for i, at := range rel.key {
		c := &rel.columns[at]
		if chunk != nil && chunk.Key[i].Name != c.name || len(r.types.Inexact(c.oid)) > 0 {
			return false
		}
	}
	return true
}

// excludes reports whether a transaction that is not visible in the latest view has changed a row. Then a later version of the row
// was emitted, and the row in the view must not be.
func (u *unseen) excludes(table, key string) bool {
	for _, w := range u.txs {
		if _, changed := w.keys[table][key]; changed {
			return true
		}
	}
	return false
}

// blocks reports whether it is not known which rows of a table were emitted in a later version than that of the latest view.
func (r *reader) blocks(table string) bool {
	return r.snapshot.Below > 0 || slices.ContainsFunc(r.unseen.txs, func(w *writes) bool {
		keys, changed := w.keys[table]
		return w.all || changed && keys == nil
	})
}

// waitVisible sets a pause before it is looked up again whether transactions are visible. It logs a wait that is long.
func (r *reader) waitVisible(table string) {
	w, now := &r.unseen.waiting, time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	w.last = min(max(2*w.last, minVisibleWait), maxVisibleWait)
	w.until = now.Add(w.last)
	if now.Sub(w.since) > visibleWaitShown && now.Sub(w.shown) > time.Minute {
		w.shown = now
		xid := r.unseen.view.Xmin
		if r.snapshot.Below == 0 {
			xid = r.unseen.txs[0].xid
		}
		r.s.log.Info("snapshot waits for a transaction", "table", table, "since", w.since.UTC(), "xid", xid,
			"reason", "it was open when the snapshot began, or its session waits for a synchronous standby")
	}
}
