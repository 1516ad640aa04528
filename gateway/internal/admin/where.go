package admin

import (
	"errors"
	"net/http"
)

// findEvent answers with what is known of the event with the ID of the path.
func (a *Admin) findEvent(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if id == "" {
		return requestError{errors.New("name the ID of an event: /api/events/ID")}
	}
	where, err := a.Router.Where(r.Context(), id, a.hiderFor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, where)
	return nil
}
