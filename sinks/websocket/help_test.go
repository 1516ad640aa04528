package websocket

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net/http"
	"testing"

	"github.com/MicahParks/jwkset"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// jwksHandler serves one key that nobody has.
func jwksHandler(t testing.TB) http.Handler {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	keys := jwkset.NewMemoryStorage()
	if err := keys.KeyWrite(t.Context(), jwk); err != nil {
		t.Fatal(err)
	}
	text, err := keys.JSONPublic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(text) })
}
