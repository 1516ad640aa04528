package admin

import "net/http"

// serveTimeline answers with a [stats.TimelinePage]: the occurrences after the query parameter since, or all.
func (a *Admin) serveTimeline(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, a.Router.Timeline().Page(r.URL.Query().Get("since")))
}
