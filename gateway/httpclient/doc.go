// Package httpclient helps plugins that call HTTP endpoints: a [Guard] against endpoints in the gateway's own
// network, the pause that a response asks for ([RetryAfter]), the begin of its body ([Excerpt]), and texts of the
// other side that are safe to show ([Printable], [Redact]). It belongs to the contract, and imports nothing of
// the engine.
package httpclient
