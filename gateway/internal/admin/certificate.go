package admin

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/stats"
)

// CertificateStatus describes the certificate of a listener.
type CertificateStatus struct {
	Listener string    `json:"listener"`           // shared or admin
	NotAfter time.Time `json:"not_after,omitzero"` // of several certificates, of the one that expires first; absent while there is none
	LoadedAt time.Time `json:"loaded_at,omitzero"` // when it was read or obtained
	Error    string    `json:"error,omitempty"`    // why the files are not used, or a certificate was not obtained

	since time.Time // of Error
}

// certificates holds the status of the certificates of all listeners. It is a [prometheus.Collector].
type certificates struct {
	mu   sync.Mutex
	list []CertificateStatus // by listener
}

// RecordCertificate records that a listener uses a certificate that is valid until notAfter; zero: it has none.
func (a *Admin) RecordCertificate(listener string, notAfter time.Time) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		*st = CertificateStatus{Listener: listener, NotAfter: notAfter}
		if !notAfter.IsZero() {
			st.LoadedAt = time.Now()
		}
	})
}

// RecordCertificateError records why the listener keeps its certificate although the files have changed, or has none. nil
// removes the reason.
func (a *Admin) RecordCertificateError(listener string, err error) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		switch {
		case err == nil:
			st.Error = ""
		case st.Error == "":
			st.since = time.Now()
			fallthrough
		default:
			st.Error = err.Error()
		}
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

// reasons returns what is wrong with the certificates at the time now.
func (c *certificates) reasons(now time.Time) (all []stats.Reason) {
	for _, st := range c.all() {
		component := "listener " + st.Listener
		if st.Error != "" {
			all = append(all, stats.Reason{Component: component, Since: st.since, Text: "certificate: " + st.Error})
		}
		if !st.NotAfter.IsZero() && now.After(st.NotAfter) {
			all = append(all, stats.Reason{Component: component, Since: st.NotAfter, Text: "the certificate has expired, and clients refuse it"})
		}
	}
	return all
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
