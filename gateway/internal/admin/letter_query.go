package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"eventgateway/gateway/internal/letters"
)

// letterQuery returns the query in the parameters of a request.
func letterQuery(values url.Values) (q letters.Query, err error) {
	q = letters.Query{
		Component: values.Get("component"), Reason: values.Get("reason"), Key: values.Get("key"), ID: values.Get("id"), Text: values.Get("q"),
		Bytes: maxListed,
	}
	number := func(name string, to *uint64, most uint64) {
		if text := values.Get(name); text != "" && err == nil {
			if *to, err = strconv.ParseUint(text, 10, 64); err != nil || *to == 0 || *to > most {
				err = fmt.Errorf("%s is a number from 1 to %d", name, most)
			}
		}
	}
	moment := func(name string, to *time.Time) {
		if text := values.Get(name); text != "" && err == nil {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				err = fmt.Errorf("%s is a time such as 2026-11-26T14:00:00Z", name)
			}
		}
	}
	limit := uint64(letters.MaxLimit)
	number("limit", &limit, letters.MaxLimit)
	number("before", &q.Before, 1<<53)
	moment("since", &q.Since)
	moment("until", &q.Until)
	q.Limit = int(limit)
	if err != nil {
		err = requestError{err}
	}
	return q, err
}

// letterBody is the body of a request about one letter.
type letterBody struct {
	To   string           `json:"to"`
	Data *letters.Payload `json:"data"`
}

// readBody decodes the body of a request, which may be empty.
func readBody(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && r.ContentLength != 0 {
		return requestError{fmt.Errorf("the body is not as expected: %w", err)}
	}
	return nil
}

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
