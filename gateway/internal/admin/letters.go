package admin

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

const (
	// maxListed bounds the payloads of one answer, in bytes.
	maxListed = 4 << 20
	// maxLetterBody bounds the body of a request, which may have an edited payload.
	maxLetterBody = 16 << 20
	dryRunTimeout = 20 * time.Second
	// replayWait is how long the replay of a single letter waits for its outcome.
	replayWait = 5 * time.Second
	// headerNext has the value of "before" for the next page.
	headerNext = "Dead-Letters-Next"
)

// mountLetters mounts the handlers of dead letters.
func (a *Admin) mountLetters(m plugin.Mounter) error {
	handle := func(pattern string, need Role, h func(w http.ResponseWriter, r *http.Request) error) error {
		return m.Handle(pattern, a.guard(need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxLetterBody)
			if err := h(w, r); err != nil {
				letterError(w, err)
			}
		})))
	}
	return errors.Join(
		handle("GET /api/dead-letters", RoleRead, a.listLetters),
		handle("GET /api/events/{id...}", RoleRead, a.findEvent),
		handle("GET /api/dead-letters/{number}", RoleRead, a.showLetter),
		handle("DELETE /api/dead-letters/{number}", RoleAdmin, a.deleteLetter),
		handle("POST /api/dead-letters/{number}/dry-run", RoleAdmin, a.dryRunLetter),
		handle("POST /api/dead-letters/{number}/replay", RoleAdmin, a.replayLetter),
		handle("GET /api/dead-letters/download", RoleAdmin, a.downloadLetters),
		handle("POST /api/dead-letters/delete", RoleAdmin, a.deleteLetters),
		handle("GET /api/dead-letters/replays", RoleRead, a.listReplays),
		handle("POST /api/dead-letters/replays", RoleAdmin, a.replayLetters),
		handle("GET /api/dead-letters/replays/{id}", RoleRead, a.showReplay),
		handle("DELETE /api/dead-letters/replays/{id}", RoleAdmin, a.cancelReplay),
	)
}

// requestError is an error of the request, and not of the gateway.
type requestError struct{ error }

func letterError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var wrong requestError
	switch {
	case errors.Is(err, letters.ErrNotFound), errors.Is(err, letters.ErrNoReplay):
		status = http.StatusNotFound
	case errors.Is(err, letters.ErrBusy):
		status = http.StatusConflict
	case errors.Is(err, letters.ErrNotRunning):
		status = http.StatusServiceUnavailable
	case errors.As(err, &wrong):
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}

// hiderFor returns the function that removes from a letter what the caller of a request may not see; nil hides nothing.
func (a *Admin) hiderFor(r *http.Request) func(*letters.Letter) {
	if roleOf(r) == RoleAdmin {
		return nil
	}
	return func(l *letters.Letter) {
		policy := a.Router.LetterPolicy(l)
		if policy == nil {
			return
		}
		l.Masked, l.Reason = true, tap.HiddenReason
		shown, err := policy.ShowPayload(l.Data)
		if err != nil {
			l.Hidden, shown = err.Error(), nil
		}
		l.Data = shown
	}
}

// listLetters answers with the newest letters that match, the oldest of them first. The header Dead-Letters-Next has the value of
// "before" for the next page. The last page has no such header.
func (a *Admin) listLetters(w http.ResponseWriter, r *http.Request) error {
	q, err := letterQuery(r.URL.Query())
	if err != nil {
		return err
	}
	q.Hide = a.hiderFor(r)
	page, err := a.Router.DeadLetters().Search(r.Context(), q)
	if err != nil {
		return err
	}
	if page.Next > 0 {
		w.Header().Set(headerNext, strconv.FormatUint(page.Next, 10))
	}
	writeJSON(w, http.StatusOK, page.Letters)
	return nil
}

// letter returns the letter whose number is in the path.
func (a *Admin) letter(r *http.Request) (l letters.Letter, err error) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		return l, letters.ErrNotFound
	}
	return a.Router.DeadLetters().Get(n)
}

func (a *Admin) showLetter(w http.ResponseWriter, r *http.Request) error {
	l, err := a.letter(r)
	if err != nil {
		return err
	}
	if hide := a.hiderFor(r); hide != nil {
		hide(&l)
	}
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (a *Admin) deleteLetter(w http.ResponseWriter, r *http.Request) error {
	l, err := a.letter(r)
	if err != nil {
		return err
	}
	return a.remove(w, []uint64{l.Number})
}

// removed is the answer to a deletion.
type removed struct {
	Removed int `json:"removed"`
}

func (a *Admin) remove(w http.ResponseWriter, numbers []uint64) error {
	n, err := a.Router.DeadLetters().Remove(numbers)
	if err != nil {
		return err
	}
	a.Log.Warn("dead letters deleted", "letters", n)
	writeJSON(w, http.StatusOK, removed{n})
	return nil
}
