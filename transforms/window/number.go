package window

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"eventgateway/gateway/expr"
)

// maxDigits bounds the digits and the exponent of a number. Without it, an addition to 1e1000000 would write a million digits.
const maxDigits = 1000

// number is a decimal number with all its digits: units times 10 to the power of -scale. The zero value is 0.
type number struct {
	units int64
	large *big.Int // replaces units where it is not nil
	scale int      // at least 0
}

// parseNumber parses a number in JSON.
func parseNumber(text []byte) (number, error) {
	mantissa, exponent := string(text), 0
	if at := strings.IndexAny(mantissa, "eE"); at >= 0 {
		n, err := strconv.Atoi(mantissa[at+1:])
		if err != nil || n > maxDigits || n < -maxDigits {
			return number{}, tooLong(text)
		}
		mantissa, exponent = mantissa[:at], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n := number{scale: len(fraction) - exponent}
	digits := whole + fraction
	if len(digits) > maxDigits {
		return number{}, tooLong(text)
	}
	if n.scale < 0 {
		digits, n.scale = digits+strings.Repeat("0", -n.scale), 0
	}
	units, err := strconv.ParseInt(digits, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		n.large, _ = new(big.Int).SetString(digits, 10)
		return n, nil
	}
	n.units = units
	if err != nil {
		return number{}, fmt.Errorf("%.40q is not a number", text)
	}
	return n, nil
}

func tooLong(text []byte) error {
	return fmt.Errorf("a number has more than %d digits, or such an exponent: %.40s", maxDigits, text)
}

// plus returns the sum, with as many decimal places as the longer one has.
func (n number) plus(o number) number {
	n, o = sameScale(n, o)
	if n.large == nil && o.large == nil {
		if sum := n.units + o.units; (sum > n.units) == (o.units > 0) {
			return number{units: sum, scale: n.scale}
		}
	}
	return number{large: new(big.Int).Add(n.integer(), o.integer()), scale: n.scale}
}

// compare returns -1, 0 or 1 if n is less than, equal to or greater than o.
func (n number) compare(o number) int {
	n, o = sameScale(n, o)
	if n.large == nil && o.large == nil {
		return cmp.Compare(n.units, o.units)
	}
	return n.integer().Cmp(o.integer())
}

// sameScale gives both numbers the larger scale.
func sameScale(a, b number) (number, number) {
	return a.scaled(b.scale), b.scaled(a.scale)
}

// scaled returns n with a scale of at least scale.
func (n number) scaled(scale int) number {
	by := scale - n.scale
	if by <= 0 {
		return n
	}
	if n.large == nil && by < len(powers) && n.units <= math.MaxInt64/powers[by] && n.units >= math.MinInt64/powers[by] {
		return number{units: n.units * powers[by], scale: scale}
	}
	return number{large: new(big.Int).Mul(n.integer(), power(by)), scale: scale}
}

// powers are the powers of ten up to 10^18.
var powers = func() (p [19]int64) {
	p[0] = 1
	for i := range p[1:] {
		p[i+1] = 10 * p[i]
	}
	return p
}()

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (n number) integer() *big.Int {
	if n.large != nil {
		return n.large
	}
	return big.NewInt(n.units)
}

// appendTo appends n in JSON, with all its decimal places.
func (n number) appendTo(dst []byte) []byte {
	digits := n.integer().String()
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	if pad := n.scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - n.scale
	dst = append(dst, digits[:point]...)
	if n.scale > 0 {
		dst = append(append(dst, '.'), digits[point:]...)
	}
	return dst
}

// dividedBy appends n divided by count, with the digits of a float of 64 bits.
func (n number) dividedBy(count int, dst []byte) ([]byte, error) {
	quotient := new(big.Rat).SetFrac(n.integer(), new(big.Int).Mul(power(n.scale), big.NewInt(int64(count))))
	f, _ := quotient.Float64()
	if math.IsInf(f, 0) {
		return dst, errors.New("the average is too large for a number of 64 bits")
	}
	return expr.AppendJSON(dst, f)
}
