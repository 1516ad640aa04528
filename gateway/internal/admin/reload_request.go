package admin

import (
	"context"
	"net/http"
	"time"
)

// reloadTimeout bounds a reload that a request asks for: the reading of the files, and the opening of the new sinks.
const reloadTimeout = time.Minute

// serveReload loads the configuration again. It answers 200 after success, and 422 where the running configuration
// stays, each with the ReloadStatus.
func (a *Admin) serveReload(w http.ResponseWriter, r *http.Request) {
	if a.Reload == nil {
		http.Error(w, "this gateway does not load its configuration again: restart it", http.StatusNotFound)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadTimeout + time.Second)) // it fails only for a broken connection
	ctx, cancel := context.WithTimeout(r.Context(), reloadTimeout)
	defer cancel()
	result, err := a.Reload(ctx)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !result.Successful:
		writeJSON(w, http.StatusUnprocessableEntity, result)
	default:
		writeJSON(w, http.StatusOK, result)
	}
}
