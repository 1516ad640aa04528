package expr

import (
	"bytes"
	"cmp"
	"strconv"
)

// decimal is a parsed JSON number. Its value is 0.DIGITS times 10 to the power of point. DIGITS are the digits
// first to last-1 of whole followed by fraction, without leading and trailing zeros. Zero has no digits.
type decimal struct {
	negative        bool
	whole, fraction []byte
	first, last     int
	point           int
}

// maxExponent bounds the exponents of numbers that rules compare.
const maxExponent = 1_000_000

// parseDecimal parses the text of a number. ok is false if the text is no JSON number, or if the exponent exceeds
// [maxExponent].
func parseDecimal(text []byte) (d decimal, ok bool) {
	rest := text
	if len(rest) > 0 && rest[0] == '-' {
		d.negative, rest = true, rest[1:]
	}
	d.whole, rest = cutDigits(rest)
	if len(d.whole) == 0 || len(d.whole) > 1 && d.whole[0] == '0' {
		return d, false
	}
	if len(rest) > 0 && rest[0] == '.' {
		if d.fraction, rest = cutDigits(rest[1:]); len(d.fraction) == 0 {
			return d, false
		}
	}
	exponent := 0
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		if exponent, ok = parseExponent(rest[1:]); !ok {
			return d, false
		}
		rest = nil
	}
	if len(rest) > 0 {
		return d, false
	}
	d.last = len(d.whole) + len(d.fraction)
	for d.first < d.last && d.digit(d.first) == '0' {
		d.first++
	}
	for d.last > d.first && d.digit(d.last-1) == '0' {
		d.last--
	}
	d.point = len(d.whole) - d.first + exponent
	if d.isZero() {
		d.negative, d.point = false, 0
	}
	return d, true
}

func cutDigits(b []byte) (digits, rest []byte) {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return b[:n], b[n:]
}

func parseExponent(b []byte) (n int, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	digits, rest := cutDigits(b)
	if len(digits) == 0 || len(rest) > 0 {
		return 0, false
	}
	for _, c := range digits {
		if n = 10*n + int(c-'0'); n > maxExponent {
			return 0, false
		}
	}
	if negative {
		n = -n
	}
	return n, true
}

func (d *decimal) isZero() bool { return d.first == d.last }

func (d *decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	return d.fraction[i-len(d.whole)]
}

// compareNumbers returns -1, 0 or 1 if a is less than, equal to or greater than b. It compares all digits. ok is
// false if one of them is no number.
func compareNumbers(a, b []byte) (order int, ok bool) {
	if isNatural(a) && isNatural(b) { // a fast path for most numbers
		return cmp.Or(cmp.Compare(len(a), len(b)), bytes.Compare(a, b)), true
	}
	x, ok := parseDecimal(a)
	if !ok {
		return 0, false
	}
	if bytes.Equal(a, b) {
		return 0, true
	}
	y, ok := parseDecimal(b)
	if !ok {
		return 0, false
	}
	if xs, ys := x.sign(), y.sign(); xs != ys {
		return cmp.Compare(xs, ys), true
	}
	return x.sign() * compareMagnitudes(&x, &y), true
}

// isNatural reports whether text is a non-negative integer without an exponent.
func isNatural(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) == 1 || len(text) > 1 && text[0] != '0'
}

func (d *decimal) sign() int {
	switch {
	case d.isZero():
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// compareMagnitudes compares the digits of two numbers that are not zero.
func compareMagnitudes(x, y *decimal) int {
	if x.point != y.point {
		return cmp.Compare(x.point, y.point)
	}
	i, j := x.first, y.first
	for i < x.last && j < y.last {
		if a, b := x.digit(i), y.digit(j); a != b {
			return cmp.Compare(int(a), int(b))
		}
		i, j = i+1, j+1
	}
	return cmp.Compare(x.last-i, y.last-j) // the longer one has digits other than 0 left
}

// zeros are the zeros that [appendNumber] adds at most before it writes an exponent.
const zeros = "0000000000000000000000000000000000000000"

// appendNumber appends the normal form of a number: 7 for 7.0 and 70e-1. It returns false if text is no number.
func appendNumber(dst, text []byte) ([]byte, bool) {
	if isNatural(text) && text[len(text)-1] != '0' {
		return append(dst, text...), true
	}
	d, ok := parseDecimal(text)
	if !ok {
		return dst, false
	}
	if d.negative {
		dst = append(dst, '-')
	}
	count := d.last - d.first
	switch {
	case count == 0:
		return append(dst, '0'), true
	case d.point >= count && d.point-count <= len(zeros):
		dst = d.appendDigits(dst, 0, count)
		return append(dst, zeros[:d.point-count]...), true
	case 0 < d.point && d.point < count:
		dst = append(d.appendDigits(dst, 0, d.point), '.')
		return d.appendDigits(dst, d.point, count), true
	case d.point <= 0 && -d.point <= len(zeros):
		dst = append(dst, "0."...)
		dst = append(dst, zeros[:-d.point]...)
		return d.appendDigits(dst, 0, count), true
	}
	dst = d.appendDigits(dst, 0, 1)
	if count > 1 {
		dst = d.appendDigits(append(dst, '.'), 1, count)
	}
	return strconv.AppendInt(append(dst, 'e'), int64(d.point-1), 10), true
}

// appendDigits appends the digits from to to-1.
func (d *decimal) appendDigits(dst []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		dst = append(dst, d.digit(d.first+i))
	}
	return dst
}

// integer reports whether the number is an integer.
func (d *decimal) isInteger() bool { return d.point >= d.last-d.first }
