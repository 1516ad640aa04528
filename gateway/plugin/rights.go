package plugin

import "slices"

// Right is what the user of a plugin at its server must be allowed.
type Right struct {
	For   string // what needs it: "sequence"; "" for the plugin itself
	Rules string // as the server's administrator writes them, with NAMES in capitals for what a configuration names
}

// WithRights returns the type with the rights that its user at a Redis needs, and no more.
func (t Type[T]) WithRights(rights ...Right) Type[T] {
	t.rights = slices.Clone(rights)
	return t
}

// Rights returns the rights that the user of the type needs.
func (t Type[T]) Rights() []Right { return t.rights }
