package admin

import (
	"cmp"
	"fmt"

	"net/http"
	"strconv"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

const defaultClients = 100 // of a page

// serveClients answers with a [delivery.ClientList], by the query parameters after, limit and search.
func (a *Admin) serveClients(w http.ResponseWriter, r *http.Request, s *delivery.Sink) {
	q := plugin.ClientQuery{After: r.FormValue("after"), Search: r.FormValue("search"), Limit: defaultClients}
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > plugin.MaxClients {
			http.Error(w, fmt.Sprintf("limit is the number of clients: write a number from 1 to %d", plugin.MaxClients), http.StatusBadRequest)
			return
		}
		q.Limit = n
	}
	list, err := s.ListClients(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// disconnect disconnects a client, and sends it the query parameter reason. With reconnect=true the client may connect again by
// itself.
func (a *Admin) disconnect(w http.ResponseWriter, r *http.Request, s *delivery.Sink) {
	id, reconnect := r.PathValue("client"), false
	switch text := cmp.Or(r.URL.Query().Get("reconnect"), "false"); text {
	case "true", "false":
		reconnect = text == "true"
	default:
		http.Error(w, "reconnect is whether the client may connect again: write true or false", http.StatusBadRequest)
		return
	}
	reason := cmp.Or(r.URL.Query().Get("reason"), "an operator has disconnected this client")
	found, err := s.Disconnect(r.Context(), id, reason, reconnect)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case !found:
		http.Error(w, "no client with this ID is connected any more", http.StatusNotFound)
	default:
		a.Log.Info("client disconnected by an operator", "sink", s.Name, "client", id, "reconnect", reconnect)
		w.WriteHeader(http.StatusNoContent)
	}
}
