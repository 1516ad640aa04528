package httpclient_test

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
)

// A sink passes the header Retry-After on by plugin.RetryAfter.
func ExampleRetryAfter() {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	fmt.Println(httpclient.RetryAfter("30", now), httpclient.RetryAfter("Tue, 02 Jan 2024 03:05:05 GMT", now), httpclient.RetryAfter("soon", now))
	// Output: 30s 1m0s 0s
}

// A client for URLs that users choose refuses addresses of the gateway's own network, also where a name leads to one.
func ExampleGuard() {
	var office options.Network
	_ = office.UnmarshalText([]byte("10.1.0.0/16"))
	guard := httpclient.NewGuard([]options.Network{office})
	dialer := net.Dialer{Control: guard.Control}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	_, err := client.Get("http://127.0.0.1:1/")
	fmt.Println(err)
	fmt.Println(guard.InternalAddress(options.NewURL("http://169.254.169.254/latest")))
	fmt.Printf("%q\n", guard.InternalAddress(options.NewURL("http://10.1.2.3/hook")))
	// Output:
	// Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: 127.0.0.1:1 is an internal address, and the option allow does not list it
	// 169.254.169.254
	// ""
}
