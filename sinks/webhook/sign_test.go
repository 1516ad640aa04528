package webhook

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// TestStandardWebhooksVectors proves signatures by the test vectors of Standard Webhooks.
func TestStandardWebhooksVectors(t *testing.T) {
	for key, want := range map[string]string{
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":                                                        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==": "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
	} {
		s, err := newSigner(options.NewSecret(key))
		if err != nil {
			t.Fatal(err)
		}
		if got := signature([]signer{s}, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInvalidKeys(t *testing.T) {
	for key, want := range map[string]string{
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "must begin with", "whsec_!!!": "not base64", "whsec_c2hvcnQ=": "24 to 64", "whpk_abc": "belongs to the receiver", "whsk_c2hvcnQ=": "64 bytes",
	} {
		o := Type().Defaults().(*Options)
		o.Secrets = []options.Secret{options.NewSecret(key)}
		got := ""
		o.Check(func(option, text string) { got += option + ": " + text })
		if !strings.HasPrefix(got, "secrets[0]: ") || !strings.Contains(got, want) || strings.Contains(got, key) {
			t.Errorf("%q", got)
		}
	}
}

// TestReceiverVerifies proves that the official library verifies each attempt, with either of two keys
// during a change of keys.
func TestReceiverVerifies(t *testing.T) {
	const old, new = testKey, otherKey
	seed := make([]byte, ed25519.SeedSize)
	private := "whsk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed))
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	url, bodies, headers := endpoint(t, 500, nil)
	var attempts []http.Header
	for range 2 {
		o := Options{URL: options.NewURL(url), Secrets: []options.Secret{options.NewSecret(new), options.NewSecret(old), options.NewSecret(private)}}
		if err := send(t, o, &event.Event{ID: "7 ü", Data: []byte(`{"id":7}`)}); err == nil {
			t.Fatal("500 is no success")
		}
		body, header := <-bodies, <-headers
		attempts = append(attempts, header)
		for _, key := range []string{old, new} {
			wh, err := standardwebhooks.NewWebhook(key)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify([]byte(body), header); err != nil {
				t.Errorf("key %s: %v", key, err)
			}
			if err := wh.Verify([]byte(body+" "), header); err == nil {
				t.Error("another body is verified")
			}
		}
		id, at := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
		parts := strings.Fields(header.Get("Webhook-Signature"))
		last := strings.TrimPrefix(parts[len(parts)-1], "v1a,")
		sum, err := base64.StdEncoding.DecodeString(last)
		if err != nil || !ed25519.Verify(public, []byte(id+"."+at+"."+body), sum) {
			t.Errorf("v1a: %s, %v", last, err)
		}
		if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %s", at)
		}
	}
	if a, b := attempts[0], attempts[1]; a.Get("Webhook-Id") != "7%20%C3%BC" || a.Get("Webhook-Id") != b.Get("Webhook-Id") || a.Get("Webhook-Attempt-Id") == b.Get("Webhook-Attempt-Id") {
		t.Errorf("ids: %v", attempts)
	}
}
