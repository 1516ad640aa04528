package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const (
	maxPlaces = 3    // violations in an error
	maxText   = 200  // bytes of each
	maxNumber = 1000 // digits, and the exponent, of a number
)

// computable returns an error for numbers with which the validator computes for seconds: it uses
// fractions, and 1e1000000 has a million digits.
func computable(doc any) error {
	switch t := doc.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(string(t)), "e")
		n, err := strconv.Atoi(exponent)
		if len(t) > maxNumber || exponent != "" && (err != nil || n > maxNumber || n < -maxNumber) {
			return fmt.Errorf("a number has more than %d digits, or such an exponent: %.40s", maxNumber, t)
		}
	case []any:
		for _, item := range t {
			if err := computable(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, member := range t {
			if err := computable(member); err != nil {
				return err
			}
		}
	}
	return nil
}

var english = message.NewPrinter(language.English)

// oneLine returns the first violations of a payload, or a schema, as an error of one line.
func oneLine(what string, err error) error {
	var ve *jsonschema.ValidationError
	var se *jsonschema.SchemaValidationError
	if errors.As(err, &se) {
		err = se.Err
	}
	if !errors.As(err, &ve) {
		return errors.New(what + ": " + short(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	var places []string
	count := 0
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 {
			if count++; count <= maxPlaces {
				places = append(places, short("/"+strings.Join(v.InstanceLocation, "/"))+": "+short(v.ErrorKind.LocalizedString(english)))
			}
		}
		for _, c := range v.Causes {
			walk(c)
		}
	}
	walk(ve)
	text := what + ": " + strings.Join(places, "; ")
	if count > maxPlaces {
		text += fmt.Sprintf("; and %d more", count-maxPlaces)
	}
	return errors.New(text)
}

func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}
