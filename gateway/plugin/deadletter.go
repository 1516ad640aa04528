package plugin

// The attributes of a dead letter, an event that could not be delivered. Sinks get it like any other event.
const (
	DeadLetterPrefix    = "dead_letter_"
	DeadLetterReason    = DeadLetterPrefix + "reason"     // the error
	DeadLetterComponent = DeadLetterPrefix + "component"  // that has parked it: "sink NAME", or "route NAME, transform NAME"
	DeadLetterAttempts  = DeadLetterPrefix + "attempts"   // number of failed attempts
	DeadLetterAttemptID = DeadLetterPrefix + "attempt_id" // of the last attempt, if it has one; see [Attempt]
	DeadLetterTime      = DeadLetterPrefix + "time"       // of the parking, in RFC 3339 format
)
