package pgconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/plugin"
)

// TestUnavailable proves which errors mark a server as unavailable: it cannot be reached, is starting
// or full. A wrong password and a missing table do not.
func TestUnavailable(t *testing.T) {
	said := func(code string) error { return fmt.Errorf("reading: %w", &pg.PgError{Code: code}) }
	for _, tc := range []struct {
		err  error
		away bool
	}{
		{said("57P01"), true}, {said("57P02"), true}, {said("57P03"), true}, {said("57P05"), true}, {said("53300"), true}, {said("53100"), true},
		{said("08006"), true}, {said("25006"), true}, {said("58030"), true},
		{said("28P01"), false}, {said("42P01"), false}, {said("42501"), false}, {said("3D000"), false}, {said("57014"), false}, {said("23505"), false},
		{io.ErrUnexpectedEOF, true}, {fmt.Errorf("lost: %w", io.EOF), true}, {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		{context.DeadlineExceeded, true}, {context.Canceled, false}, {errors.New("another gateway has taken over"), false}, {nil, false},
	} {
		if got := Unavailable(tc.err); plugin.IsUnavailable(got) != tc.away || (got == nil) != (tc.err == nil) {
			t.Errorf("%v: away %t", tc.err, !tc.away)
		}
	}
	config, err := pgx.ParseConfig("postgres://u:p@127.0.0.1:1/d?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = pgx.ConnectConfig(t.Context(), config); !plugin.IsUnavailable(Summarize(err)) {
		t.Errorf("nothing listens, and it is not away: %v", err)
	}
}
