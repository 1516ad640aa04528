package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/options"
)

// letterSelection is the body of a request about several letters. It names numbers, or conditions, or all.
type letterSelection struct {
	All       bool      `json:"all"`
	Numbers   []uint64  `json:"numbers"`
	Component string    `json:"component"`
	Reason    string    `json:"reason"`
	Key       string    `json:"key"`
	ID        string    `json:"id"`
	Q         string    `json:"q"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
	To        string    `json:"to"`   // of a replay
	Rate      float64   `json:"rate"` // of a replay: letters per second; 0: no limit
}

// maxRate bounds the rate of a replay, in letters per second.
const maxRate = 1e6

// query returns the query of a selection.
func (s *letterSelection) query() (letters.Query, error) {
	q := letters.Query{Numbers: s.Numbers, Component: s.Component, Reason: s.Reason, Key: s.Key, ID: s.ID, Text: s.Q, Since: s.Since, Until: s.Until}
	some := len(s.Numbers) > 0 || s.Component+s.Reason+s.Key+s.ID+s.Q != "" || !s.Since.IsZero() || !s.Until.IsZero()
	switch {
	case !some && !s.All:
		return q, requestError{errors.New("name numbers or conditions, or write all: true")}
	case len(s.Numbers) > letters.MaxLimit:
		return q, requestError{errors.New("too many numbers: name at most " + strconv.Itoa(letters.MaxLimit) + ", or conditions")}
	case s.Rate < 0 || s.Rate > maxRate:
		return q, requestError{errors.New("rate is the number of letters per second")}
	}
	return q, nil
}

// checkPlace returns an error if there is no such place to replay to; "" is where each letter has failed.
func (a *Admin) checkPlace(to string) error {
	places := a.Router.ReplayPlaces()
	if to == "" || slices.Contains(places, to) {
		return nil
	}
	kind, name, _ := strings.Cut(to, " ")
	if kind != "sink" && kind != "route" {
		return requestError{errors.New(`"to" is "sink NAME" or "route NAME"`)}
	}
	var names []string
	for _, place := range places {
		if other, ok := strings.CutPrefix(place, kind+" "); ok {
			names = append(names, other)
		}
	}
	return requestError{errors.New(options.UnknownName(fmt.Sprintf("%s %q", kind, name), name, names))}
}

// replayLetter replays one letter. It answers with the outcome, or after a few seconds that the letter is still queued.
func (a *Admin) replayLetter(w http.ResponseWriter, r *http.Request) error {
	l, err := a.letter(r)
	if err != nil {
		return err
	}
	var body letterBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if err := a.checkPlace(body.To); err != nil {
		return err
	}
	state, err := a.Replays.Start(letters.ReplayRequest{Query: letters.Query{Numbers: []uint64{l.Number}}, To: body.To, Edit: body.Data})
	if err != nil {
		return err
	}
	a.Log.Info("dead letter replayed", "number", l.Number, "replay", state.ID, "to", body.To, "edited", body.Data != nil)
	ctx, cancel := context.WithTimeout(r.Context(), replayWait)
	defer cancel()
	if state, err = a.Replays.Wait(ctx, state.ID); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, state)
	return nil
}

// replayLetters begins the replay of several letters, and answers with its state.
func (a *Admin) replayLetters(w http.ResponseWriter, r *http.Request) error {
	var body letterSelection
	if err := readBody(r, &body); err != nil {
		return err
	}
	q, err := body.query()
	if err != nil {
		return err
	}
	if err := a.checkPlace(body.To); err != nil {
		return err
	}
	state, err := a.Replays.Start(letters.ReplayRequest{Query: q, To: body.To, Rate: body.Rate})
	if err != nil {
		return err
	}
	a.Log.Info("dead letters replayed", "replay", state.ID, "to", body.To, "rate", body.Rate)
	writeJSON(w, http.StatusAccepted, state)
	return nil
}

func (a *Admin) listReplays(w http.ResponseWriter, r *http.Request) error {
	list := a.Replays.List()
	for i := range list {
		a.hideFailures(r, &list[i])
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// hideFailures hides the reasons of failures from callers who may not see all: they may quote a payload.
func (a *Admin) hideFailures(r *http.Request, s *letters.ReplayState) {
	if roleOf(r) == RoleAdmin {
		return
	}
	for i := range s.Failures {
		s.Failures[i].Reason = "only the role admin sees the reason"
	}
}

func replayID(r *http.Request) int {
	id, _ := strconv.Atoi(r.PathValue("id")) // no replay has the ID 0
	return id
}

func (a *Admin) showReplay(w http.ResponseWriter, r *http.Request) error {
	done, cancel := context.WithCancel(r.Context())
	cancel() // Wait returns the present state
	state, err := a.Replays.Wait(done, replayID(r))
	if err != nil {
		return err
	}
	a.hideFailures(r, &state)
	writeJSON(w, http.StatusOK, state)
	return nil
}

func (a *Admin) cancelReplay(w http.ResponseWriter, r *http.Request) error {
	state, err := a.Replays.Cancel(replayID(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, state)
	return nil
}

// deleteLetters deletes the letters of a selection.
func (a *Admin) deleteLetters(w http.ResponseWriter, r *http.Request) error {
	var body letterSelection
	if err := readBody(r, &body); err != nil {
		return err
	}
	q, err := body.query()
	if err != nil {
		return err
	}
	kept, total := a.Router.DeadLetters(), 0
	err = each(r.Context(), kept, q, func(found []letters.Letter) error {
		numbers := make([]uint64, 0, len(found))
		for i := range found {
			numbers = append(numbers, found[i].Number)
		}
		n, err := kept.Remove(numbers)
		total += n
		return err
	})
	a.Log.Warn("dead letters deleted", "letters", total)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, removed{total})
	return nil
}

// each calls f with the pages of a search, the newest page first.
func each(ctx context.Context, kept letters.Kept, q letters.Query, f func([]letters.Letter) error) error {
	q.Limit, q.Bytes = letters.MaxLimit, maxListed
	for {
		page, err := kept.Search(ctx, q)
		if err != nil {
			return err
		}
		if err := f(page.Letters); err != nil || page.Next == 0 {
			return err
		}
		q.Before = page.Next
	}
}

// downloadLetters answers with the letters that match, the newest first, as lines that gateway replay reads.
func (a *Admin) downloadLetters(w http.ResponseWriter, r *http.Request) error {
	q, err := letterQuery(r.URL.Query())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", `attachment; filename="dead-letters.jsonl"`)
	control := http.NewResponseController(w)
	var lines []byte
	err = each(r.Context(), a.Router.DeadLetters(), q, func(found []letters.Letter) error {
		lines = lines[:0]
		for i := len(found) - 1; i >= 0; i-- {
			lines = found[i].AppendLine(lines)
		}
		_ = control.SetWriteDeadline(time.Now().Add(tapWriteTimeout)) // it fails only for a broken connection
		_, err := w.Write(lines)
		return err
	})
	if err != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return nil
}
