package rawjson

import (
	"errors"
	"slices"
	"strings"
)

// Path leads from the whole payload to a field: "order.customer.email". As an option it is read from text. Dots
// separate names. A dot or bracket after a backslash is a part of a name, and * stands for every member or element. A
// number is an element of an array, or the member of that name.
type Path struct {
	text  string
	steps []string
}

// MustPath returns the Path of a text, and panics if the text is malformed.
func MustPath(text string) Path {
	var p Path
	if err := p.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return p
}

// UnmarshalText reads a path, for package options.
func (p *Path) UnmarshalText(b []byte) error {
	p.text, p.steps = string(b), nil
	step := strings.Builder{}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\' && i+1 < len(b) && strings.IndexByte(special, b[i+1]) >= 0:
			i++
			step.WriteByte(b[i])
		case c == '\\':
			return errors.New(`a \ stands before one of . [ ] $ \ only`)
		case c == '[' || c == ']':
			return errors.New(`an element is written lines.0.sku, and all of them lines.*.sku; in a name, put a \ before the bracket`)
		case c == '$' && i == 0 && len(b) > 1 && b[1] == '.':
			return errors.New("leave $. out: a field is written from the payload on, such as order.email")
		case c == '*' && i+1 < len(b) && b[i+1] == '*':
			return errors.New("* stands for one step: there is no **")
		case c == '.':
			p.steps = append(p.steps, step.String())
			step.Reset()
		default:
			step.WriteByte(c)
		}
	}
	p.steps = append(p.steps, step.String())
	if slices.Contains(p.steps, "") {
		return errors.New("a field is missing: write field, or object.field")
	}
	return nil
}

// special are the characters that a backslash makes ordinary.
const special = `.[]$\`

func (p Path) String() string { return p.text }

// IsZero reports whether there is no path.
func (p Path) IsZero() bool { return len(p.steps) == 0 }

// Steps returns the names on the path, at least one.
func (p Path) Steps() []string { return p.steps }

// Sibling returns the path of the member called name of the same object.
func (p Path) Sibling(name string) Path {
	steps := append(slices.Clone(p.steps[:len(p.steps)-1]), name)
	return Path{text: strings.Join(steps, "."), steps: steps}
}

// Contains reports whether the path is o, or leads to a value that contains o.
func (p Path) Contains(o Path) bool {
	return len(p.steps) <= len(o.steps) && slices.Equal(p.steps, o.steps[:len(p.steps)])
}

// HasWildcard reports whether the path may lead to several fields.
func (p Path) HasWildcard() bool {
	return slices.Contains(p.steps, "*")
}

// CheckSingle returns an error where the path may lead to several fields.
func (p Path) CheckSingle() error {
	if p.HasWildcard() {
		return errors.New("must be one field: * is not allowed here")
	}
	return nil
}

// OptionType names the type in tables.
func (Path) OptionType() string { return "field" }
