// Package gauge has Prometheus gauges of values that are measured at a server. A value that is not known, because
// the server does not answer, is not exported: a 0 would look like a good value. The methods are safe for
// concurrent use.
package gauge

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxAge is how long the value of a measurement is exported. Sources measure more often.
const MaxAge = 15 * time.Second

// Value is a gauge that is exported only while its value is known.
type Value struct {
	desc *prometheus.Desc
	last
}

// Age is a gauge of an age in seconds. It grows between measurements and while the server does not
// answer. It is not exported before the first measurement.
type Age struct {
	desc *prometheus.Desc
	last
}

// last is the last measurement.
type last struct {
	mu    sync.Mutex
	value float64
	at    time.Time // zero before the first measurement and after Reset
	stale bool      // since MarkStale
	lasts bool      // without MaxAge
}

// NewValue returns a gauge of a value that is measured again within [Known], or else is not
// exported.
func NewValue(name, help string) *Value {
	return &Value{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// NewLastingValue returns a gauge whose value is exported until MarkStale or Reset is called.
func NewLastingValue(name, help string) *Value {
	v := NewValue(name, help)
	v.lasts = true
	return v
}

// NewAge returns a gauge of an age.
func NewAge(name, help string) *Age {
	return &Age{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// Set records a measurement.
func (l *last) Set(value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value, l.at, l.stale = value, time.Now(), false
}

// MarkStale records that the server does not answer any more, or is not measured.
func (l *last) MarkStale() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = true
}

// Reset removes the measurement, for example while another gateway measures.
func (l *last) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = time.Time{}
}

// measured returns the last measurement and its age. fresh reports whether it counts as current; ok is false if
// there is none.
func (l *last) measured() (value float64, age time.Duration, fresh, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age = time.Since(l.at)
	return l.value, age, !l.stale && (l.lasts || age < MaxAge), !l.at.IsZero()
}

// Describe is part of [prometheus.Collector].
func (v *Value) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect is part of [prometheus.Collector].
func (v *Value) Collect(ch chan<- prometheus.Metric) {
	if value, _, fresh, ok := v.measured(); ok && fresh {
		ch <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, value)
	}
}

// Describe is part of [prometheus.Collector].
func (a *Age) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect is part of [prometheus.Collector].
func (a *Age) Collect(ch chan<- prometheus.Metric) {
	value, age, fresh, ok := a.measured()
	if !ok {
		return
	}
	if !fresh {
		value += age.Seconds()
	}
	ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, value)
}
