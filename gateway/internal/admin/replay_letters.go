package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/options"
)

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

// replayLetter replays one letter. It answers with the outcome, or after replayWait with the state, in which the letter is queued.
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
	state, err := a.Replays.State(replayID(r))
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
