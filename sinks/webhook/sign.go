package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"eventgateway/gateway/options"
)

// Prefixes of keys (Standard Webhooks 1.0.0, "Signature scheme").
const (
	sharedKey  = "whsec_" // a secret that both sides have: v1
	privateKey = "whsk_"  // of a pair; the receiver has the public one, whpk_...: v1a
)

// Bytes that a shared key may have.
const (
	shortestKey = 24
	longestKey  = 64
)

// signer signs requests. sign returns the signature of content in the form of the header.
type signer interface{ sign(content []byte) string }

type sharedSigner []byte

func (s sharedSigner) sign(content []byte) string {
	mac := hmac.New(sha256.New, s)
	mac.Write(content)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

type privateSigner ed25519.PrivateKey

func (s privateSigner) sign(content []byte) string {
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.PrivateKey(s), content))
}

// newSigner reads a key. Its errors never contain it.
func newSigner(key options.Secret) (signer, error) {
	text := key.Reveal()
	encoded, shared := strings.CutPrefix(text, sharedKey)
	if !shared {
		var private bool
		if encoded, private = strings.CutPrefix(text, privateKey); !private {
			if strings.HasPrefix(text, publicKey) {
				return nil, errors.New("is the public key, which belongs to the receiver: the gateway signs with the private one, whsk_")
			}
			return nil, errors.New("must begin with whsec_ (a shared secret) or whsk_ (an ed25519 private key); `openssl rand -base64 32` makes what follows whsec_")
		}
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errors.New("is not base64 after its prefix")
	case shared && (len(raw) < shortestKey || len(raw) > longestKey):
		return nil, errors.New("must have 24 to 64 bytes after whsec_")
	case shared:
		return sharedSigner(raw), nil
	case len(raw) == ed25519.SeedSize:
		return privateSigner(ed25519.NewKeyFromSeed(raw)), nil
	case len(raw) != ed25519.PrivateKeySize:
		return nil, errors.New("must have the 64 bytes of an ed25519 private key after whsk_")
	}
	return privateSigner(raw), nil
}

// signature returns the header of a message: one signature for each key, so that receivers can
// change theirs at any time.
func signature(signers []signer, id, timestamp string, body []byte) string {
	content := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	content = append(append(append(append(content, id...), '.'), timestamp...), '.')
	content = append(content, body...)
	all := make([]string, len(signers))
	for i, s := range signers {
		all[i] = s.sign(content)
	}
	return strings.Join(all, " ")
}
