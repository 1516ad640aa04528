package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/options"
)

// publicKey begins the key with which a receiver verifies v1a.
const publicKey = "whpk_"

// tolerance is the largest difference between the timestamp of a request and the receiver's clock.
// It bounds replay attacks (Standard Webhooks 1.0.0, "Verifying webhook authenticity").
const tolerance = 5 * time.Minute

// verifier verifies one form of signature.
type verifier struct {
	version string
	matches func(content, sum []byte) bool
}

// newVerifier reads a public key, or a key of a signer.
func newVerifier(key options.Secret) (verifier, error) {
	if encoded, ok := strings.CutPrefix(key.Reveal(), publicKey); ok {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return verifier{}, errors.New("must have the 32 bytes of an ed25519 public key in base64 after whpk_")
		}
		return publicVerifier(raw), nil
	}
	s, err := newSigner(key)
	if err != nil {
		return verifier{}, fmt.Errorf("%w; or whpk_, the public key", err)
	}
	if private, ok := s.(privateSigner); ok {
		return publicVerifier(ed25519.PrivateKey(private).Public().(ed25519.PublicKey)), nil
	}
	return verifier{"v1", func(content, sum []byte) bool {
		want, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.sign(content), "v1,"))
		return hmac.Equal(want, sum)
	}}, nil
}

func publicVerifier(key ed25519.PublicKey) verifier {
	return verifier{"v1a", func(content, sum []byte) bool { return ed25519.Verify(key, content, sum) }}
}

// verify returns the version of the signature that matches, or an error. One signature of those in
// the header must match one of the keys.
func verify(keys []verifier, h http.Header, body []byte, now time.Time) (version string, err error) {
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		if h.Get(name) == "" {
			return "", fmt.Errorf("the header %s is missing", strings.ToLower(name))
		}
	}
	seconds, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		return "", errors.New("webhook-timestamp is no number of seconds")
	}
	if off := now.Sub(time.Unix(seconds, 0)); off.Abs() > tolerance {
		return "", fmt.Errorf("webhook-timestamp is %v off: more than %v", off.Round(time.Second), tolerance)
	}
	content := []byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(body))
	for signature := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		version, encoded, _ := strings.Cut(signature, ",")
		sum, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(sum) == 0 {
			continue
		}
		for _, k := range keys {
			if k.version == version && k.matches(content, sum) {
				return version, nil
			}
		}
	}
	return "", errors.New("no signature of webhook-signature matches")
}
