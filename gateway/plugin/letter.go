package plugin

// The attributes by which a dead letter, an event that could not be delivered,
// says why. Sinks get it like any other event.
const (
	LetterReason    = "dead_letter_reason"    // the error
	LetterComponent = "dead_letter_component" // who gave up: "sink NAME", or "route NAME, transform NAME"
	LetterAttempts  = "dead_letter_attempts"  // how often it was tried
	LetterTime      = "dead_letter_time"      // when, as RFC 3339 has it
)
