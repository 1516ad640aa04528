// Package expr is the one expression language of the gateway: that of
// github.com/expr-lang/expr, over an event.
//
// Names are the payload's own top-level fields, so `operation == "INSERT" &&
// order.amount > 100` reads as it looks. Two names are reserved: `event` holds
// id, source, channel, key and time, and `payload` holds the whole payload, for
// payloads that are no object or that have fields called event or payload.
//
// A payload field that does not exist is nil; comparing nil by < or > is an
// error of the evaluation, and so is a payload that is no JSON where a program
// looks inside. Numbers are integers where they fit 64 bits, else floats.
//
// Programs are compiled once and are immutable; what evaluates them is an
// Evaluator with scratch of its own, so that goroutines share nothing.
package expr
