// Package gauge has gauges of what only a server can tell, and only while it answers. What is
// not known is not exported: a 0 would say that all is well. The methods may be called from any
// goroutine.
package gauge

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxAge is how long a measurement counts as new. Sources measure more often, unless something
// holds them up.
const MaxAge = 15 * time.Second

// Value is a gauge that is exported only while its value is known.
type Value struct {
	desc *prometheus.Desc
	last
}

// Age is a gauge of how many seconds old something is. It grows while nothing is measured: the
// thing gets older, or is not known to be younger. Where nothing was ever measured, it is not
// exported.
type Age struct {
	desc *prometheus.Desc
	last
}

// last is the last measurement.
type last struct {
	mu    sync.Mutex
	value float64
	at    time.Time // zero: nothing is known
	old   bool      // the server does not answer any more
	keep  bool      // the value counts until Lost, however old it is
}

// NewValue returns a gauge of a value that is measured again within [Known], or else is not
// exported.
func NewValue(name, help string) *Value {
	return &Value{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// NewLastingValue returns a gauge of a value that counts until MarkStale is called.
func NewLastingValue(name, help string) *Value {
	v := NewValue(name, help)
	v.keep = true
	return v
}

// NewAge returns a gauge of an age.
func NewAge(name, help string) *Age {
	return &Age{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// Set notes a measurement.
func (l *last) Set(value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value, l.at, l.old = value, time.Now(), false
}

// MarkStale notes that the server does not answer any more, or is not asked.
func (l *last) MarkStale() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.old = true
}

// Reset notes that nothing is known, as where another gateway measures.
func (l *last) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = time.Time{}
}

// measured returns the last measurement, and how old it is; ok is false where nothing is known.
func (l *last) measured() (value float64, age time.Duration, now, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age = time.Since(l.at)
	return l.value, age, !l.old && (l.keep || age < MaxAge), !l.at.IsZero()
}

// Describe is part of [prometheus.Collector].
func (v *Value) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect is part of [prometheus.Collector].
func (v *Value) Collect(ch chan<- prometheus.Metric) {
	if value, _, now, ok := v.measured(); ok && now {
		ch <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, value)
	}
}

// Describe is part of [prometheus.Collector].
func (a *Age) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect is part of [prometheus.Collector].
func (a *Age) Collect(ch chan<- prometheus.Metric) {
	value, age, now, ok := a.measured()
	if !ok {
		return
	}
	if !now {
		value += age.Seconds()
	}
	ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, value)
}
