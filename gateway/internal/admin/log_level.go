package admin

import "net/http"

// LogLevels changes what is logged.
type LogLevels interface {
	Levels() LogLevelStatus
	// SetLevel sets the level of one component, or of all that have no level of their own if component is "".
	SetLevel(component, level string) error
}

// LogLevelStatus is the answer of /api/log-level.
type LogLevelStatus struct {
	Level      string            `json:"level"`      // debug, info, warn or error
	Components map[string]string `json:"components"` // those with a level of their own
}

// ofLogLevels returns a handler that answers 404 if there are no LogLevels.
func (a *Admin) ofLogLevels(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.LogLevels == nil {
			http.NotFound(w, r)
			return
		}
		next(w, r)
	})
}

// setLogLevel sets the level of the query ?level=debug&component=NAME until the next reload. It answers with all levels.
func (a *Admin) setLogLevel(w http.ResponseWriter, r *http.Request) {
	component, level := r.URL.Query().Get("component"), r.URL.Query().Get("level")
	if err := a.LogLevels.SetLevel(component, level); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	a.Log.Warn("log level changed", "level", level, "component", component)
	writeJSON(w, http.StatusOK, a.LogLevels.Levels())
}
