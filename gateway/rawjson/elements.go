package rawjson

import "iter"

// Elements yields the texts of the elements of a JSON array that is known to be one.
func Elements(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		v, _ := firstElement(b, skipSpace(b, 0), 0)
		for v != invalid {
			end := skipValue(b, v, 0)
			if !yield(b[v:end]) {
				return
			}
			v, _ = nextElement(b, end)
		}
	}
}
