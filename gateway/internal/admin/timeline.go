package admin

import "net/http"

// serveTimeline answers with a [stats.TimelinePage]: the occurrences after the query parameter since, or all.
func (a *Admin) serveTimeline(w http.ResponseWriter, r *http.Request) {
	page := a.Router.Timeline().Page(r.URL.Query().Get("since"))
	a.errorsFor(r).occurrences(page.Occurrences)
	writeJSON(w, http.StatusOK, page)
}
