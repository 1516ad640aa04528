package admin

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/stats"
)

// ReloadStatus describes the last load of the configuration, at the start or by a reload.
type ReloadStatus struct {
	At            time.Time `json:"at"`
	Successful    bool      `json:"successful"`
	Error         string    `json:"error,omitempty"` // why the running configuration stays
	RestartNeeded []string  `json:"restart_needed,omitempty"`
}

// reload holds the status of the last reload.
type reload struct {
	mu        sync.Mutex
	last      *ReloadStatus // nil: none since the start
	succeeded time.Time     // the last success; zero: none since the start
	failing   time.Time     // the first failure after the last success; zero: none
}

// RecordReload records the result of a reload. restart lists the settings that were changed
// and take effect only at the next start.
func (a *Admin) RecordReload(err error, restart []string) ReloadStatus {
	a.reload.mu.Lock()
	defer a.reload.mu.Unlock()
	st := ReloadStatus{At: time.Now(), Successful: err == nil, RestartNeeded: restart}
	if err != nil {
		st.Error = err.Error()
		a.Router.Timeline().Add("configuration", stats.KindReload, stats.LevelProblem, "reload failed, the running configuration stays: "+st.Error)
		if a.reload.failing.IsZero() {
			a.reload.failing = st.At
		}
	} else {
		text := "reloaded"
		if len(restart) > 0 {
			text += ", restart needed for " + strings.Join(restart, ", ")
		}
		a.Router.Timeline().Add("configuration", stats.KindReload, stats.LevelInfo, text)
		a.reload.succeeded, a.reload.failing = st.At, time.Time{}
	}
	a.reload.last = &st
	return st
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

// Metrics returns the metrics of Admin itself. Those of reloads are named as in
// Prometheus and Alertmanager.
func (a *Admin) Metrics() []prometheus.Collector {
	return []prometheus.Collector{
		a.refused.total,
		healthCollector{a},
		&a.certificates,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_config_last_reload_successful", Help: "1 if the last load of the configuration succeeded, 0 if it failed and the running one stayed.",
		}, func() float64 {
			if last, _ := a.reloadStatus(); last.Successful {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_config_last_reload_success_timestamp_seconds", Help: "When the running configuration was loaded.",
		}, func() float64 {
			_, at := a.reloadStatus()
			return float64(at.UnixMilli()) / 1000
		}),
	}
}
