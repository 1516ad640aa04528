package config_test

import (
	"strings"
	"testing"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

// TestDotEnvLines proves that a problem with a value from .env names the line there, and does not quote the value.
func TestDotEnvLines(t *testing.T) {
	dotenv := write(t, ".env", "# c\nA='one\ntwo'\nGATEWAY_TEST_URL=s3cret-nonsense\nGATEWAY_TEST_PORT=s3cret\nGATEWAY_TEST_URL=s3cret too\nGATEWAY_TEST_NAME_FILE=testdata/none\n")
	env, err := config.ProcessEnv(dotenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEWAY_TEST_TYPE", "nonsense")
	file := write(t, "gateway.yaml", "http: {listen: ':${GATEWAY_TEST_PORT}'}\nsources: {in: {type: redis-sub, url: '${GATEWAY_TEST_URL}', channels: ['${GATEWAY_TEST_NAME}'], ping: '${GATEWAY_TEST_TYPE}'}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [out]}}\n")
	_, problems := config.Load(config.Request{Files: []string{file}, Env: env, Plugins: plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}})
	text := problems.Error()
	for want, times := range map[string]int{
		"(GATEWAY_TEST_PORT stands in line 5 of " + dotenv + ")": 1, "(GATEWAY_TEST_URL stands in line 6 of " + dotenv + ")": 1,
		"s3cret": 0, "GATEWAY_TEST_TYPE": 0, "GATEWAY_TEST_NAME_FILE cannot be read": 1,
	} {
		if strings.Count(text, want) != times {
			t.Errorf("%s: not %d times in\n%s", want, times, text)
		}
	}
}

// TestDefaultsWithBraces proves that a default ends at its closing brace, whether it is used or not.
func TestDefaultsWithBraces(t *testing.T) {
	for text, want := range map[string][2]string{ // results without and with the variable
		`${A:-{"x":{}}}`:            {`{"x":{}}`, `v`},
		`<${A:-{{ number }}}>`:      {`<{{ number }}>`, `<v>`},
		`${A:-{}}}`:                 {`{}}`, `v}`},
		`${A:-}{}`:                  {`{}`, `v{}`},
		`$${A:-{"x":{}}}`:           {`${A:-{"x":{}}}`, `${A:-{"x":{}}}`},
		`${A:-{"x":[{}]}} ${A:-{}}`: {`{"x":[{}]} {}`, `v v`},
	} {
		for i, env := range []map[string]string{nil, {"A": "v"}} {
			file := write(t, "gateway.yaml", "sources: {in: {type: generate, position: '"+text+"'}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [out]}}\n")
			cfg, problems := load(env, nil, file)
			if len(problems) > 0 {
				t.Errorf("%s: %v", text, problems)
				continue
			}
			for _, row := range options.Rows(cfg.Graph.Sources[0].Options) {
				if row.Name == "position" && row.Default != want[i] {
					t.Errorf("%s with %v is %s, want %s", text, env, row.Default, want[i])
				}
			}
		}
	}
}
