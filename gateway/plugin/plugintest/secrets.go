package plugintest

import (
	"reflect"
	"strings"

	"eventgateway/gateway/options"
)

const ruleSecrets = "no secret is in the log, an error or a metric"

// canary is the value of secrets that the harness does not set.
const canary = "c4nary-7f3a91"

// checkSecrets uses the plugin with known secrets, while its server is available and unavailable, and
// looks for them in errors, the log and metrics.
func (s subject[T]) checkSecrets(c *check) {
	sets := []func(any){s.reachable}
	if s.unreachable != nil {
		sets = append(sets, s.unreachable)
	}
	for n, set := range sets {
		opts := optionsOf(c, s.typ, set)
		known := plant(opts, n == 1)
		i, err := tryBuild(c, s.typ, Name, opts)
		if err != nil { // the planted secret may be invalid
			findSecrets(c, known, "an error of Build", err.Error())
			opts = optionsOf(c, s.typ, set)
			known = secretsOf(opts)
			if i, err = tryBuild(c, s.typ, Name, opts); err != nil {
				continue
			}
		}
		for _, err := range s.provokeErrors(c, i) {
			findSecrets(c, known, "an error", err.Error())
		}
		_ = i.close()
		for _, l := range i.log.all() {
			findSecrets(c, known, "the log", l.text)
		}
		for name, help := range c.metricHelp(i.metrics) {
			findSecrets(c, known, "a metric", name+help)
		}
	}
}

func findSecrets(c *check, secrets []string, where, text string) {
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			c.Errorf("a secret is in %s: %s", where, strings.ReplaceAll(text, secret, "SECRET"))
		}
	}
}

// plant sets empty secrets to canary, and with urls the passwords of URLs, too. It returns all secrets.
func plant(opts any, urls bool) []string {
	eachText(reflect.ValueOf(opts), func(v reflect.Value, text string) {
		switch v.Interface().(type) {
		case options.Secret:
			if text == "" {
				setText(v, canary)
			}
		case options.URL:
			if u := withPassword(text, canary); urls && u != "" {
				setText(v, u)
			}
		}
	})
	return secretsOf(opts)
}

// secretsOf returns the secrets of options that are long enough not to appear in a text by chance.
func secretsOf(opts any) (out []string) {
	eachText(reflect.ValueOf(opts), func(v reflect.Value, text string) {
		switch v.Interface().(type) {
		case options.Secret:
			out = append(out, text)
		case options.URL:
			if at := strings.LastIndex(text, "@"); at > 0 {
				userinfo := text[:at]
				if colon := strings.LastIndex(userinfo, ":"); colon > 0 {
					out = append(out, userinfo[colon+1:])
				}
			}
		}
	})
	long := out[:0]
	for _, s := range out {
		if len(s) >= 6 && !strings.HasPrefix(s, "//") {
			long = append(long, s)
		}
	}
	return long
}
