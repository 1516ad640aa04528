package admin

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CertificateStatus describes the certificate of a listener.
type CertificateStatus struct {
	Listener string    `json:"listener"` // shared or admin
	NotAfter time.Time `json:"not_after"`
	LoadedAt time.Time `json:"loaded_at"`       // when its files were read
	Error    string    `json:"error,omitempty"` // why the present files are not used
}

// certificates holds the status of the certificates of all listeners. It is a [prometheus.Collector].
type certificates struct {
	mu   sync.Mutex
	list []CertificateStatus // by listener
}

// RecordCertificate records that a listener uses a certificate that is valid until notAfter.
func (a *Admin) RecordCertificate(listener string, notAfter time.Time) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		*st = CertificateStatus{Listener: listener, NotAfter: notAfter, LoadedAt: time.Now()}
	})
}

// RecordCertificateError records why the listener keeps its certificate although the files have changed. nil removes the
// reason.
func (a *Admin) RecordCertificateError(listener string, err error) {
	a.certificates.set(listener, func(st *CertificateStatus) {
		st.Error = ""
		if err != nil {
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

var (
	expiryDesc = prometheus.NewDesc("gateway_tls_certificate_expiry_timestamp_seconds", "When the certificate of the listener expires.", []string{"listener"}, nil)
	loadedDesc = prometheus.NewDesc("gateway_tls_certificate_last_load_successful", "1 if the certificate in the files is in use, 0 if they are broken and the listener keeps the last one.", []string{"listener"}, nil)
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
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(st.NotAfter.Unix()), st.Listener)
		ch <- prometheus.MustNewConstMetric(loadedDesc, prometheus.GaugeValue, loaded, st.Listener)
	}
}
