package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/options"
)

// The purposes of signatures, and how long they are valid.
const (
	forLink    = "link"
	forCookie  = "cookie"
	forCommand = "command"
	forName    = "name of the cookie"
	linkLife   = time.Hour
	// commandLife is how long the text of [SignCommand] is valid: long enough for a command to connect, and short, because a program
	// that listens in place of the gateway can use it.
	commandLife = time.Minute
	cookieLife  = 30 * 24 * time.Hour
)

// secret is the secret of /api. A text that is signed with it opens /api for a while, and does
// not reveal it.
type secret struct{ options.Secret }

// equal reports whether given is the secret, in constant time whatever the lengths are.
func (s secret) equal(given string) bool {
	x, y := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.Reveal()))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// sign returns a text that is valid for one purpose until a time: "UNIX-SECONDS.SIGNATURE".
func (s secret) sign(purpose string, until time.Time) string {
	at := strconv.FormatInt(until.Unix(), 10)
	return at + "." + base64.RawURLEncoding.EncodeToString(s.mac(purpose+" until "+at))
}

// SignCommand returns a text that opens /api for a minute, in place of a secret. A program that gets it does not learn the
// secret.
func SignCommand(s options.Secret) string {
	return secret{s}.sign(forCommand, time.Now().Add(commandLife))
}

// verify reports whether text was signed for a purpose and is still valid.
func (s secret) verify(purpose, text string) bool {
	at, mac, _ := strings.Cut(text, ".")
	until, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Now().Unix() >= until {
		return false
	}
	given, err := base64.RawURLEncoding.DecodeString(mac)
	return err == nil && hmac.Equal(given, s.mac(purpose+" until "+at))
}

// cookieName returns a name that differs between gateways on one host: cookies ignore ports.
func (s secret) cookieName() string { return "gateway_" + hex.EncodeToString(s.mac(forName)[:4]) }

func (s secret) mac(text string) []byte {
	m := hmac.New(sha256.New, []byte(s.Reveal()))
	m.Write([]byte("eventgateway " + text))
	return m.Sum(nil)
}
