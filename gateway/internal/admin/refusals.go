package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// refusals counts the requests that the guard has refused, and bounds what is logged of
// them.
type refusals struct {
	total        *prometheus.CounterVec
	secret, host prometheus.Counter
	warn         rate.Sometimes
}

func newRefusals() *refusals {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_admin_refused_total", Help: "Requests to /api without the secret, and requests to the admin's listener for another host.",
	}, []string{"reason"})
	return &refusals{
		total: total, secret: total.WithLabelValues("secret"), host: total.WithLabelValues("host"),
		warn: rate.Sometimes{First: 1, Interval: time.Minute},
	}
}
