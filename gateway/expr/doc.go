// Package expr is the one expression language of the gateway: that of
// github.com/expr-lang/expr, over an event.
//
// Names are the payload's own top-level fields, so `operation == "INSERT" &&
// order.amount > 100` reads as it looks. Two names are reserved: `event` holds
// id, source, channel, key, time and attrs, and `payload` holds the whole payload,
// for payloads that are no object or that have fields called event or payload.
//
// A top-level field that does not exist is nil, and so is a member that an object
// does not have; a member of nil, comparing nil by < or >, and a payload that is no
// JSON where a program looks inside are errors of the evaluation. Numbers are
// integers where they fit 64 bits, else floats.
//
// A program reads lazily: compile.go replaces every chain of members, such as
// order.amount, by a lookup; the first one that is reached finds the places of all
// in one pass over the raw bytes (lookup.go), and each decodes only its own value
// (decode.go). The result is that of decoding everything first.
//
// A rule of who may see what (authorization.go) is evaluated in another way, in three-valued
// logic: rule.go is its parts, rule_logic.go what they are together, truth.go the values,
// decimal.go the numbers, and rule_compile.go makes it.
//
// Programs are compiled once and are immutable; what evaluates them is an
// Evaluator with scratch of its own, so that goroutines share nothing.
package expr
