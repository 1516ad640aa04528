package router

import (
	"strconv"

	"eventgateway/gateway/event"
)

// mustFollow reports whether an event must follow an earlier one of the same table.
func mustFollow(e, o *event.Event) bool {
	before, _ := e.Attr(event.AttrKeyBefore)
	beforeO, _ := o.Attr(event.AttrKeyBefore)
	_, barrier := e.Attr(event.AttrBarrier)
	_, barrierO := o.Attr(event.AttrBarrier)
	return e.Key == o.Key || before != "" && (before == o.Key || before == beforeO) || beforeO != "" && e.Key == beforeO || barrier || barrierO
}

// inOrder reports whether each event came after those that it must follow.
func inOrder(all []*event.Event) bool {
	numbers := make([]int, len(all))
	for i, e := range all {
		numbers[i], _ = strconv.Atoi(string(e.Data))
		for j := range i {
			if numbers[j] > numbers[i] && mustFollow(all[j], e) {
				return false
			}
		}
	}
	return true
}
