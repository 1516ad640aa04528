package redisconn

import (
	"errors"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// UseTLS has the connections trust and show the certificates of t. Its error is one of the
// option tls, and never repeats what is in a file.
func (c *Config) UseTLS(t options.TLS) error {
	if t.IsZero() {
		return nil
	}
	of := c.options.TLSConfig
	if of == nil {
		return &plugin.OptionError{Option: "tls", Err: errors.New("is for a server with TLS: begin the URL with rediss")}
	}
	made, wrong, err := t.Config()
	if err != nil {
		return &plugin.OptionError{Option: options.Join("tls", wrong), Err: err}
	}
	of.RootCAs, of.Certificates = made.RootCAs, made.Certificates
	return nil
}
