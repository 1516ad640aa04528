package plugin

// The attributes by which a dead letter, an event that could not be delivered,
// says why. Sinks get it like any other event.
const (
	DeadLetterPrefix    = "dead_letter_"
	DeadLetterReason    = DeadLetterPrefix + "reason"    // the error
	DeadLetterComponent = DeadLetterPrefix + "component" // who gave up: "sink NAME", or "route NAME, transform NAME"
	DeadLetterAttempts  = DeadLetterPrefix + "attempts"  // how often it was tried
	DeadLetterTime      = DeadLetterPrefix + "time"      // when, as RFC 3339 has it
)
