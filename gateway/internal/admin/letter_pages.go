package admin

import (
	"context"
	"net/http"
	"time"

	"eventgateway/gateway/internal/letters"
)

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
	q.NumbersOnly = true
	all, total := a.Router.DeadLetters(), 0
	err = eachPage(r.Context(), all, q, func(found []letters.Letter) error {
		numbers := make([]uint64, 0, len(found))
		for i := range found {
			numbers = append(numbers, found[i].Number)
		}
		n, err := all.Remove(numbers)
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

// eachPage calls f with the pages of a search, the newest page first.
func eachPage(ctx context.Context, all letters.Collection, q letters.Query, f func([]letters.Letter) error) error {
	q.Limit, q.Bytes = letters.MaxLimit, maxListed
	for {
		page, err := all.Search(ctx, q)
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
	err = eachPage(r.Context(), a.Router.DeadLetters(), q, func(found []letters.Letter) error {
		lines = lines[:0]
		for i := len(found) - 1; i >= 0; i-- {
			lines = found[i].AppendLine(lines)
		}
		_ = control.SetWriteDeadline(time.Now().Add(tapWriteTimeout)) // it fails only for a broken connection
		_, err := w.Write(lines)
		return err
	})
	if err != nil {
		panic(http.ErrAbortHandler) // so that the client notices that the file is incomplete
	}
	return nil
}
