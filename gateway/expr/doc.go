// Package expr evaluates the gateway's expressions over events. The language is that of
// github.com/expr-lang/expr.
//
// Names are the top-level fields of the payload, as in `operation == "INSERT" &&
// order.amount > 100`. Two names are reserved: `event` has the members
// id, source, channel, key, time and attrs, and `payload` is the whole payload,
// for payloads that are not objects or have fields called event or payload.
//
// A top-level field that does not exist is nil, and so is a missing member of an
// object. A member of nil and a comparison of nil by < or > are errors of the evaluation. So is a payload
// that is not JSON, if the program reads a field of it. Numbers are
// integers if they fit 64 bits, else floats.
//
// A program reads lazily: compile.go replaces every chain of members, such as
// order.amount, by a lookup. The first lookup finds the values of all lookups
// in one pass over the raw bytes (lookup.go). Each lookup decodes only its own value
// (decode.go). The result is the same as with decoding the whole payload first.
//
// An authorization rule (authorization.go) is evaluated in three-valued
// logic: rule.go has its parts, rule_logic.go the operators, value.go the values,
// decimal.go the numbers, and rule_compile.go the compiler.
//
// Programs are compiled once and are immutable. An Evaluator has buffers of its own, so that goroutines
// share nothing.
//
// The package has more than 2,500 lines, because expressions, filters and rules are kinds of one language.
// They share the parser, the lookups and the errors, and the tests compare their results. Separate packages would
// have to export all of that.
package expr
