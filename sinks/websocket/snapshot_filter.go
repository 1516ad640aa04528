package websocket

import (
	"context"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

// rowFilter makes events of rows, and selects those that the subscription of a client shows. A row passes the same
// match as a live event. It evaluates in turns of turnTime, one turn of all snapshots at a time. A filter whose time
// exceeds limits.filter_time pauses, and its time is also charged to its address.
type rowFilter struct {
	sink     *sink
	topic    *topic // the subscription
	address  string
	table    string
	edit     rawjson.Edit // the option remove
	eval     evaluation
	channels channelNames
	budget   expr.TimeBudget
	payloads [][]byte // scratch
}

func newRowFilter(s *sink, of subscription, address, table string) *rowFilter {
	f := &rowFilter{
		sink: s, topic: &topic{subscription: of}, address: address, table: table, channels: channelNames{templates: s.opts.Channels},
		budget: expr.NewTimeBudget(burstSeconds * s.opts.Limits.FilterTime.D()),
	}
	f.eval.Evaluator = new(expr.Evaluator)
	for _, path := range s.opts.Snapshot.Remove {
		f.edit.Add(path, rawjson.Change{Remove: true})
	}
	return f
}

// each calls send with the payload of each row that the subscription shows. It ends with the first error, or with ctx.
func (f *rowFilter) each(ctx context.Context, rows []pageRow, send func(payload []byte) error) error {
	var spent time.Duration
	defer func() { f.chargeAddress(spent) }()
	for len(rows) > 0 {
		n, took, err := f.turn(rows)
		if err != nil {
			return err
		}
		rows = rows[n:]
		spent += took
		for _, payload := range f.payloads {
			if err := send(payload); err != nil {
				return err
			}
		}
		if err := f.pause(ctx, took); err != nil {
			return err
		}
	}
	return nil
}

// turn evaluates rows until the turn is over, and returns how many. f.payloads gets those that match.
func (f *rowFilter) turn(rows []pageRow) (n int, took time.Duration, err error) {
	f.sink.snapshots.evaluating.Lock()
	defer f.sink.snapshots.evaluating.Unlock()
	begun := time.Now()
	clear(f.payloads)
	f.payloads = f.payloads[:0]
	for n < len(rows) && took <= turnTime {
		e, err := f.event(rows[n])
		if err != nil {
			return n, took, err
		}
		prepared := f.channels.prepare(e)
		if f.sink.hub.match(&f.eval, f.topic, &prepared).kind == matchEvent {
			f.payloads = append(f.payloads, e.Data)
		}
		n++
		took = time.Since(begun)
	}
	return n, took, nil
}

// event returns the event of a row, as the snapshot of postgres-outbox has it.
func (f *rowFilter) event(row pageRow) (*event.Event, error) {
	data, err := f.edit.Apply(pgconn.ReadPayload(f.sink.opts.Snapshot.Output, f.table, "row", row.data), 0)
	if err != nil {
		return nil, err
	}
	return &event.Event{
		Channel: f.table, Key: pgconn.RowKey(f.table, row.key), Time: time.Now(), Data: data,
		Attrs: []event.Attr{{Name: event.AttrTable, Value: f.table}, {Name: "operation", Value: "READ"}, {Name: "snapshot", Value: "row"}},
	}, nil
}

// bounded reports whether limits.filter_time bounds the evaluation. Rights are those of the configuration.
func (f *rowFilter) bounded() bool { return f.topic.filtered() && f.sink.opts.Limits.FilterTime > 0 }

// pause waits until the budget of time is positive again, or until ctx ends.
func (f *rowFilter) pause(ctx context.Context, spent time.Duration) error {
	if perSecond := f.sink.opts.Limits.FilterTime.D(); f.bounded() {
		balance := f.budget.Spend(spent, perSecond, burstSeconds*perSecond, time.Now())
		if balance < 0 {
			timer := time.NewTimer(time.Duration(-balance.Seconds() / perSecond.Seconds() * float64(time.Second)))
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
	}
	return ctx.Err()
}

// chargeAddress charges time to the budget of the address, which bounds new filters.
func (f *rowFilter) chargeAddress(spent time.Duration) {
	if !f.bounded() || spent == 0 {
		return
	}
	feeder := f.sink.hub.feeders[filterFeeder]
	feeder.do(func() { feeder.chargeAddress(f.address, spent) })
}
