package expr

import (
	"bytes"
	"cmp"
	"strconv"
)

// decimal is a number as JSON writes it, taken apart. Its value is 0.DIGITS times 10 to the
// power of point, where DIGITS are the digits of whole and fraction from first up to, but
// without, last: neither the first nor the last of them is 0. Zero has none.
type decimal struct {
	negative        bool
	whole, fraction []byte
	first, last     int
	point           int
}

// maxExponent bounds the exponents of numbers that rights compare.
const maxExponent = 1_000_000

// parseDecimal takes the text of a number apart. It reports false for what JSON does not
// take as a number, and for exponents beyond [maxExponent].
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
	if d.zero() {
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

func (d *decimal) zero() bool { return d.first == d.last }

func (d *decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	return d.fraction[i-len(d.whole)]
}

// compareNumbers returns -1, 0 or 1 where a is less than, equal to or greater than b, in
// all their digits. It reports false where one of them is no number.
func compareNumbers(a, b []byte) (order int, ok bool) {
	if isCount(a) && isCount(b) { // most are
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

// isCount reports whether a number is written with digits only, as an integer that is not
// negative is.
func isCount(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) == 1 || len(text) > 1 && text[0] != '0'
}

func (d *decimal) sign() int {
	switch {
	case d.zero():
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

// zeros are as many as [appendNumber] writes to avoid an exponent.
const zeros = "0000000000000000000000000000000000000000"

// appendNumber appends the one text that all writings of a number share: 7 for 7.0 and
// 70e-1. It reports false for what is no number.
func appendNumber(dst, text []byte) ([]byte, bool) {
	if isCount(text) && text[len(text)-1] != '0' {
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

// appendDigits appends the digits with the numbers from up to, but without, to.
func (d *decimal) appendDigits(dst []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		dst = append(dst, d.digit(d.first+i))
	}
	return dst
}

// integer reports whether the number is an integer.
func (d *decimal) integer() bool { return d.point >= d.last-d.first }
