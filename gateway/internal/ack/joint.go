package ack

// Joint returns the receipt of events that were made of those of several batches of one run: when it is
// settled, one copy of each of the receipts is. It has a guard like any other. It is nil where there are none.
func Joint(receipts []*Receipt) *Receipt {
	if len(receipts) == 0 {
		return nil
	}
	joint := &Receipt{run: receipts[0].run, members: receipts}
	joint.pending.Store(1)
	return joint
}

// Run returns the run that has emitted the batch; nil for a nil receipt.
func (r *Receipt) Run() *Run {
	if r == nil {
		return nil
	}
	return r.run
}
