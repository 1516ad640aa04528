package gauge

import "time"

// ClockOffset is a gauge of how far the clock of a database server is ahead of the clock of this process.
type ClockOffset struct{ *Value }

// NewPostgresClockOffset returns the gauge for a PostgreSQL server. Its value is exported until MarkStale or Reset is called.
func NewPostgresClockOffset() ClockOffset {
	return ClockOffset{NewLastingValue("gateway_postgres_clock_offset_seconds", "Clock of the database server minus the clock of the gateway.")}
}

// Measured sets the gauge by the time that the server has answered to a query. The error is at most half the time between sent and received.
func (c ClockOffset) Measured(sent, received, server time.Time) {
	c.Set(server.Sub(sent.Add(received.Sub(sent) / 2)).Seconds())
}
