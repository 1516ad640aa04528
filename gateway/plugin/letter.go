package plugin

// The attributes by which a dead letter, an event that could not be delivered,
// says why. Sinks get it like any other event.
const (
	LetterPrefix    = "dead_letter_"
	LetterReason    = LetterPrefix + "reason"    // the error
	LetterComponent = LetterPrefix + "component" // who gave up: "sink NAME", or "route NAME, transform NAME"
	LetterAttempts  = LetterPrefix + "attempts"  // how often it was tried
	LetterTime      = LetterPrefix + "time"      // when, as RFC 3339 has it
)
