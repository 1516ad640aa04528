package pgverify

import (
	"context"
	"time"

	"eventgateway/gateway/pgconn"
)

// maxRechecks bounds how often keys are compared again whose rows go on changing.
const maxRechecks = 3

// poll is the pause between two reads of the inputs.
const poll = 100 * time.Millisecond

// recheck compares the keys that differ again: what was on its way is no difference. A key is equal if the inputs bring the
// row that the table had, or if the table has the row that was received last. If the row in the table has changed meanwhile, that is
// awaited once more.
func (v *verification) recheck(ctx context.Context) error {
	for range maxRechecks {
		if v.open == 0 {
			return nil
		}
		if err := v.follow(ctx); err != nil {
			return err
		}
		changed, err := v.compareOpen(ctx)
		if err != nil || !changed || v.wait == 0 {
			return err
		}
	}
	return nil
}

// follow reads the inputs for the time of --wait, or until no key differs.
func (v *verification) follow(ctx context.Context) error {
	grows := false
	for _, in := range v.inputs {
		grows = grows || in.grows()
	}
	for end := time.Now().Add(v.wait); v.open > 0; {
		if err := v.readInputs(ctx); err != nil {
			return err
		}
		left := time.Until(end)
		if v.open == 0 || !grows || left <= 0 {
			return nil
		}
		select {
		case <-time.After(min(poll, left)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// compareOpen compares the keys that differ with the rows that the table has now. It reports whether any still differs whose row in
// the table has changed.
func (v *verification) compareOpen(ctx context.Context) (changed bool, err error) {
	v.rows = map[int][]byte{}
	for _, kinds := range []keyFlags{missing | different, extra} {
		ofReceived := kinds == extra // the table may not accept these keys
		if err := v.eachPart(func(k *keyState) bool { return k.has(kinds) }, func(numbers []int) error {
			return v.eachRow(ctx, "", numbers, ofReceived, func(n int, row pgconn.Row, _ bool) error {
				rowChanged := v.compare(v.keys.text(n), row.Data)
				k := v.keys.at(n)
				changed = changed || rowChanged && k.has(differs)
				if k.has(different) && len(v.rows) < v.limit {
					v.rows[n] = row.Data
				}
				return nil
			})
		}); err != nil {
			return false, err
		}
	}
	return changed, nil
}
