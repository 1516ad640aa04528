package options_test

import (
	"crypto/tls"
	"fmt"

	"eventgateway/gateway/options"
)

// A plugin with a listener of its own has the group tls. If Enabled reports true, it listens with the result of Config. A plugin that
// mounts handlers on env.HTTP needs none of it.
func ExampleServerTLS() {
	type syslogOptions struct {
		Listen string            `koanf:"listen" rule:"required" doc:"address to listen at"`
		TLS    options.ServerTLS `koanf:"tls"`
	}
	for _, given := range []map[string]any{{"min_version": 1.3}, {"client_auth": "required"}} {
		o := syslogOptions{TLS: options.DefaultServerTLS()}
		var d options.Decoder // the gateway decodes the options, and calls Check
		d.Decode("sources.logs", map[string]any{"listen": ":6514", "tls": given}, &o)
		config, option, err := o.TLS.Rules() // Config adds the certificate
		if err != nil {
			fmt.Printf("tls.%s %v\n", option, err)
			continue
		}
		fmt.Println(o.TLS.Enabled(), tls.VersionName(config.MinVersion), config.NextProtos)
	}
	// Output:
	// false TLS 1.3 [h2 http/1.1]
	// tls.client_auth needs client_ca: name the file of the authority that client certificates are from
}
