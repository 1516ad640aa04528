package options

import (
	"fmt"
	"strconv"
	"strings"
)

// Ratio is a part of a whole, from 0 to 1, written as 0.1 or 10%.
type Ratio float64

// UnmarshalText parses a number from 0 to 1, or from 0% to 100%.
func (r *Ratio) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(text, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return fmt.Errorf("%q is not a part of a whole: write a number from 0 to 1, such as 0.1, or 10%%", b)
	}
	*r = Ratio(v)
	return nil
}

func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) }

// OptionType names the type in tables.
func (Ratio) OptionType() string { return "number from 0 to 1" }
