package admin

import (
	"net/http"
	"net/http/pprof"

	"eventgateway/gateway/plugin"
)

// mountProfiles mounts the profiles of the Go runtime on a separate listener. They answer 404 while they are not
// enabled. The command line is not among them, since it may hold secrets.
func (a *Admin) mountProfiles(m plugin.Mounter) error {
	if !a.Separate {
		return nil
	}
	profiles := http.NewServeMux()
	profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
	profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	profiles.Handle("GET /debug/pprof/cmdline", http.NotFoundHandler())
	guarded := a.guard(RoleAdmin, profiles)
	return m.Handle("/debug/pprof/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.access.Load().Profiles {
			http.NotFound(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
}
