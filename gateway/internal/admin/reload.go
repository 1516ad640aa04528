package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ReloadStatus shows the last time that the configuration was loaded: at the start,
// or while the gateway ran.
type ReloadStatus struct {
	At            time.Time `json:"at"`
	Successful    bool      `json:"successful"`
	Error         string    `json:"error,omitempty"` // why the old configuration stays
	RestartNeeded []string  `json:"restart_needed,omitempty"`
}

// reload keeps the status of the last reload.
type reload struct {
	mu        sync.Mutex
	last      *ReloadStatus // nil: none since the start
	succeeded time.Time
}

// Reloaded notes how a reload ended; restart lists settings that were changed and
// count only from the next start.
func (a *Admin) Reloaded(err error, restart []string) {
	a.reload.mu.Lock()
	defer a.reload.mu.Unlock()
	st := ReloadStatus{At: time.Now(), Successful: err == nil, RestartNeeded: restart}
	if err != nil {
		st.Error = err.Error()
	} else {
		a.reload.succeeded = st.At
	}
	a.reload.last = &st
}

func (a *Admin) reloadStatus() (last ReloadStatus, succeeded time.Time) {
	a.reload.mu.Lock()
	defer a.reload.mu.Unlock()
	last, succeeded = ReloadStatus{At: a.Started, Successful: true}, a.Started
	if a.reload.last != nil {
		last = *a.reload.last
	}
	if !a.reload.succeeded.IsZero() {
		succeeded = a.reload.succeeded
	}
	return last, succeeded
}

// Metrics returns what the admin exports itself. The names are those that
// Prometheus and its Alertmanager have for themselves.
func (a *Admin) Metrics() []prometheus.Collector {
	return []prometheus.Collector{
		a.refusals.total,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_config_last_reload_successful", Help: "1 where the last configuration that was loaded runs, 0 where it was refused.",
		}, func() float64 {
			if last, _ := a.reloadStatus(); last.Successful {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_config_last_reload_success_timestamp_seconds", Help: "When the configuration that runs was loaded.",
		}, func() float64 {
			_, at := a.reloadStatus()
			return float64(at.UnixMilli()) / 1000
		}),
	}
}
