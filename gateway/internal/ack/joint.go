package ack

// Joint returns the receipt of events that a batch transform has made from several batches of one run. When it is
// settled, it settles one copy of each of the receipts. It has a guard like any other receipt. It is nil if receipts is
// empty.
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
