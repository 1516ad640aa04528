package postgresnotify

import (
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestConformance(t *testing.T) {
	url := testenv.Postgres(t).URL()
	const channel = `Odd "channel"; DROP TABLE x`
	db := testenv.Connect(t)
	plugintest.Source(t, plugintest.SourceHarness{
		Type: Type(),
		Reachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL(url), []string{"other", channel}
		},
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL("postgres://u:p@127.0.0.1:1/x"), []string{channel}
		},
		Send: func(t *testing.T, payloads ...string) {
			for _, p := range payloads {
				testenv.Notify(t, db, channel, p)
			}
		},
		Break: func(t *testing.T) {
			if _, err := db.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name); err != nil {
				t.Fatal(err)
			}
		},
	})
}
