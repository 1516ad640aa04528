package pgverify

import (
	"context"
	"math/rand/v2"
	"time"

	"eventgateway/gateway/pgconn"
)

// settings are the flags that say what is compared.
type settings struct {
	where  string
	sample int // 0: all
	wait   time.Duration
	limit  int
}

// verification is one run of the command.
type verification struct {
	settings
	*comparison
	table  *table
	inputs []input
	rows   map[int][]byte // of up to limit keys that are different, as the table had them last
}

// run compares the table with the inputs.
func (v *verification) run(ctx context.Context) error {
	if err := v.readInputs(ctx); err != nil {
		return err
	}
	if err := v.readTable(ctx); err != nil {
		return err
	}
	return v.recheck(ctx)
}

// readInputs reads what has come since the last call.
func (v *verification) readInputs(ctx context.Context) error {
	for _, in := range v.inputs {
		if err := in.read(ctx, v.receive); err != nil {
			return err
		}
	}
	return nil
}

// readTable compares all that is asked for, in one snapshot.
func (v *verification) readTable(ctx context.Context) error {
	if err := v.table.beginSnapshot(ctx, v.where != ""); err != nil {
		return pgconn.Summarize(err)
	}
	snapshot := v.table.snapshot
	var err error
	switch {
	case v.sample > 0:
		var keys [][]string
		if keys, err = v.table.randomKeys(ctx, v.where, v.sample); err == nil {
			err = v.table.rowsOf(ctx, snapshot, keys, false, v.compareRow)
		}
		if err == nil {
			err = v.compareReceived(ctx, snapshot, v.randomReceived(v.sample))
		}
	case v.where != "":
		err = v.table.keysWhere(ctx, v.where, func(keys [][]string) error {
			return v.table.rowsOf(ctx, snapshot, keys, false, v.compareRow)
		})
		if err == nil {
			err = v.eachPart(onlyReceived, func(numbers []int) error { return v.compareReceived(ctx, snapshot, numbers) })
		}
	default:
		if err = v.table.allRows(ctx, v.compareRow); err == nil {
			for n := range v.keys.count {
				if k := v.keys.at(n); onlyReceived(k) {
					v.mark(k, extra)
				}
			}
		}
	}
	if err != nil {
		return err
	}
	return v.table.endSnapshot(ctx)
}

// compareRow compares a row of the table.
func (v *verification) compareRow(row pgconn.Row) error {
	key, err := v.changes.key(row.Data)
	if err != nil {
		return err
	}
	v.compare(key, row.Data)
	return nil
}

// compareReceived looks for the rows of keys that were received, and not compared. With a condition, a row that exists is not
// compared: it may not meet it.
func (v *verification) compareReceived(ctx context.Context, snapshot string, numbers []int) error {
	return v.eachRow(ctx, snapshot, numbers, true, func(n int, row pgconn.Row, found bool) error {
		switch {
		case !found:
			v.mark(v.keys.at(n), extra)
		case v.where == "":
			return v.compareRow(row)
		}
		return nil
	})
}

// onlyReceived reports whether there is a received row of a key that was not compared.
func onlyReceived(k *keyState) bool { return k.has(present) && !k.has(compared) }

// randomReceived returns up to limit random keys that were received, and not compared.
func (v *verification) randomReceived(limit int) (numbers []int) {
	seen := 0
	for n := range v.keys.count {
		if !onlyReceived(v.keys.at(n)) {
			continue
		}
		if seen++; len(numbers) < limit {
			numbers = append(numbers, n)
		} else if i := rand.IntN(seen); i < limit {
			numbers[i] = n
		}
	}
	return numbers
}

// lookupKeys is the number of keys whose rows are read before the next ones.
const lookupKeys = 5000

// eachPart calls f with the numbers of all keys that meet a condition, some at a time.
func (v *verification) eachPart(condition func(*keyState) bool, f func(numbers []int) error) error {
	numbers := make([]int, 0, lookupKeys)
	for n := range v.keys.count {
		if condition(v.keys.at(n)) {
			numbers = append(numbers, n)
		}
		if len(numbers) == lookupKeys || len(numbers) > 0 && n == v.keys.count-1 {
			if err := f(numbers); err != nil {
				return err
			}
			numbers = numbers[:0]
		}
	}
	return nil
}

// eachRow calls f with the row of each key, by its number, or with found false where there is none. tolerant is as in table.rowsOf.
func (v *verification) eachRow(ctx context.Context, snapshot string, numbers []int, tolerant bool, f func(n int, row pgconn.Row, found bool) error) error {
	keys := make([][]string, len(numbers))
	left := make(map[int]bool, len(numbers))
	for i, n := range numbers {
		keys[i] = v.table.keyValues(string(v.keys.text(n)))
		left[n] = true
	}
	if err := v.table.rowsOf(ctx, snapshot, keys, tolerant, func(row pgconn.Row) error {
		key, err := v.changes.key(row.Data)
		if err != nil {
			return err
		}
		n := v.keys.find(key)
		if !left[n] { // a column may read another key than the one that was asked for
			return nil
		}
		delete(left, n)
		return f(n, row, true)
	}); err != nil {
		return err
	}
	for _, n := range numbers {
		if !left[n] {
			continue
		}
		if err := f(n, pgconn.Row{}, false); err != nil {
			return err
		}
	}
	return nil
}
