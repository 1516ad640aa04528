// Package httpclient is what plugins that call HTTP endpoints share: a [Guard] against endpoints in one's own
// network, what an answer asks for ([RetryAfter]), how it begins ([Excerpt]), and how what it says may be shown
// ([Printable], [Hide]). It is part of what plugins are written with, and knows nothing of the engine.
package httpclient
