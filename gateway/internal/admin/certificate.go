package admin

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/stats"
)

// CertificateStatus describes the certificate of a listener.
type CertificateStatus struct {
	Listener string    `json:"listener"`           // shared or admin
	NotAfter time.Time `json:"not_after,omitzero"` // of the certificate that expires first; absent while there is none
	// RenewBy is when the health becomes degraded if the certificate is still in use. It is absent with ACME, which reports
	// an overdue renewal as an error.
	RenewBy  time.Time `json:"renew_by,omitzero"`
	LoadedAt time.Time `json:"loaded_at,omitzero"` // when it was read or obtained
	Error    string    `json:"error,omitempty"`    // why the files are not used, or a certificate was not obtained

	acme      bool
	notBefore time.Time
	failing   time.Time // since when there is an error
}

// reasons returns what is wrong with the certificate at the time now, for the health.
func (st CertificateStatus) reasons(now time.Time) (all []stats.Reason) {
	add := func(since time.Time, format string, args ...any) {
		all = append(all, stats.Reason{Component: "certificate of the " + st.Listener + " listener", Since: since, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case st.Error != "" && st.acme:
		add(st.failing, "%s", st.Error)
	case st.Error != "":
		add(st.failing, "not loaded, the running one stays: %s", st.Error)
	}
	switch until := st.NotAfter.UTC().Format(time.RFC3339); {
	case st.NotAfter.IsZero():
	case now.After(st.NotAfter):
		add(st.NotAfter, "expired at %s, clients refuse it: renew it", until)
	case !st.acme && now.After(st.RenewBy):
		add(st.RenewBy, "expires at %s: renew it", until)
	case now.Before(st.notBefore):
		add(st.LoadedAt, "valid from %s on, clients refuse it until then: check the clock of this machine", st.notBefore.UTC().Format(time.RFC3339))
	}
	return all
}

// certificates holds the status of the certificates of all listeners. It is a [prometheus.Collector].
type certificates struct {
	mu   sync.Mutex
	list []CertificateStatus // by listener
}

// A certificate must be renewed before it is in the last tenth of its life and also in its last week.
const (
	lastPart = 10
	lastDays = 7 * 24 * time.Hour
)

// RecordCertificate records that a listener uses a certificate from files.
func (a *Admin) RecordCertificate(listener string, c *x509.Certificate) {
	margin := min(c.NotAfter.Sub(c.NotBefore)/lastPart, lastDays)
	a.certificates.set(listener, func(st *CertificateStatus) {
		*st = CertificateStatus{Listener: listener, NotAfter: c.NotAfter, RenewBy: c.NotAfter.Add(-margin), LoadedAt: time.Now(), notBefore: c.NotBefore}
	})
}

// RecordACME records that a listener uses certificates by ACME. The one that expires first does so at notAfter; zero: there is none.
func (a *Admin) RecordACME(listener string, notAfter time.Time) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		*st = CertificateStatus{Listener: listener, NotAfter: notAfter, acme: true}
		if !notAfter.IsZero() {
			st.LoadedAt = time.Now()
		}
	})
}

// RecordCertificateError records why the listener keeps its certificate although the files have changed, or has none. nil
// removes the reason.
func (a *Admin) RecordCertificateError(listener string, err error) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		if err == nil {
			st.Error, st.failing = "", time.Time{}
			return
		}
		if st.Error == "" {
			st.failing = time.Now()
		}
		st.Error = err.Error()
	})
}

func (c *certificates) set(listener string, change func(*CertificateStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, found := slices.BinarySearchFunc(c.list, listener, func(st CertificateStatus, name string) int { return cmp.Compare(st.Listener, name) })
	if !found {
		c.list = slices.Insert(c.list, i, CertificateStatus{Listener: listener})
	}
	change(&c.list[i])
}

func (c *certificates) all() []CertificateStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

var (
	expiryDesc = prometheus.NewDesc("gateway_tls_certificate_expiry_timestamp_seconds", "When the certificate of the listener expires.", []string{"listener"}, nil)
	loadedDesc = prometheus.NewDesc("gateway_tls_certificate_last_load_successful", "1 if the certificate in the files is in use, 0 if they cannot be used and the listener keeps the last one. With ACME: 0 if one was not obtained or renewed.", []string{"listener"}, nil)
)

// Describe is part of [prometheus.Collector].
func (c *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc; ch <- loadedDesc }

// Collect is part of [prometheus.Collector].
func (c *certificates) Collect(ch chan<- prometheus.Metric) {
	for _, st := range c.all() {
		loaded := 1.0
		if st.Error != "" {
			loaded = 0
		}
		if !st.NotAfter.IsZero() {
			ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(st.NotAfter.Unix()), st.Listener)
		}
		ch <- prometheus.MustNewConstMetric(loadedDesc, prometheus.GaugeValue, loaded, st.Listener)
	}
}
