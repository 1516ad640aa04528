package lookup

import (
	"fmt"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestLeastRights: to connect, and to read what the query reads.
func TestLeastRights(t *testing.T) {
	db := resetCustomers(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(testenv.RoleSQL("asker"))
	testenv.RevokePublic(t)
	exec(`GRANT CONNECT ON DATABASE postgres TO asker; GRANT USAGE ON SCHEMA public TO asker; GRANT SELECT (id, name) ON customers TO asker; ALTER ROLE asker CONNECTION LIMIT 2`)
	tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, params: [id], query: "SELECT name FROM customers WHERE id = $1"}`, testenv.RoleURL(t, "asker")), plugintest.Env(t))
	for _, f := range tr.(plugin.Prober).Probe(testenv.Context(t)) {
		if f.Level != plugin.OK {
			t.Errorf("check --live: %+v", f)
		}
	}
	if out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(`{"id":7}`)); err != nil || string(out[0].Data) != `{"id":7,"c":{"name":"Ada"}}` {
		t.Errorf("%v, %v", out, err)
	}
	exec(`DROP OWNED BY asker; DROP ROLE asker`)
}
