package pgverify_test

import (
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// untrustedSQL creates a table of mallory with code that runs where a row is read: a cast to json, a domain with a check, and an
// index whose expression the planner evaluates. Each fails if it has the rights of a superuser, or can take them.
const untrustedSQL = `
CREATE FUNCTION mallory.spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'SET SESSION AUTHORIZATION DEFAULT'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
	RETURN current_user;
END $$;
CREATE FUNCTION mallory.guard(a text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	PERFORM mallory.spy();
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'mallory runs as %', current_user; END IF;
	RETURN true;
END $$;
CREATE TYPE mallory.evil AS ENUM ('a');
CREATE FUNCTION mallory.evil_json(mallory.evil) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mallory.spy()) $$;
CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.evil_json(mallory.evil);
CREATE DOMAIN mallory.positive AS int CHECK (mallory.guard(VALUE::text) AND VALUE > 0);
CREATE TABLE mallory.items (id mallory.positive PRIMARY KEY, e mallory.evil);
INSERT INTO mallory.items VALUES (1, 'a'), (2, 'a');
CREATE INDEX ON mallory.items ((mallory.guard('constant')));`

// TestUntrustedOwner proves that the code of a table's owner gets no other rights: a superuser reads with the owner's, and neither
// a superuser's condition nor another role runs it.
func TestUntrustedOwner(t *testing.T) {
	db := reset(t, testenv.RoleSQL("mallory")+testenv.RoleSQL("clerk")+`CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC;`)
	exec(t, testenv.ConnectAs(t, "mallory"), untrustedSQL+`GRANT SELECT ON mallory.items TO clerk`)
	path := writeFile(t, `{"operation":"INSERT","order":{"id":1,"e":"mallory"}}`+"\n"+`{"operation":"INSERT","order":{"id":3,"e":"mallory"}}`+"\n"+`{"operation":"INSERT","order":{"id":-3,"e":"mallory"}}`+"\n")
	args := []string{"--table", "mallory.items", "--received", path, "--wait", "0s"}
	want := "missing   mallory.items:2\nextra     mallory.items:3\nextra     mallory.items:-3\nmallory.items: 2 rows compared, 1 equal"
	for _, sample := range []string{"0", "10"} {
		if out, status, err := verify(t, nil, append(args, "--sample", sample)...); status != 1 || !strings.HasPrefix(out, want) {
			t.Errorf("sample %s: exit status %d, %v, printed\n%s", sample, status, err, out)
		}
	}
	refused := `its owner "mallory" could run code with the rights of "`
	for role, flags := range map[string][]string{"postgres": {"--where", "true"}, "clerk": {"--url", testenv.RoleURL(t, "clerk")}} {
		if out, status, err := verify(t, nil, append(args, flags...)...); status != 2 || !strings.Contains(err.Error(), refused+role) {
			t.Errorf("%s: exit status %d, %v, printed\n%s", role, status, err, out)
		}
	}
	var super bool
	if err := db.QueryRow(testenv.Context(t), "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'").Scan(&super); err != nil || super {
		t.Errorf("mallory is a superuser, %v", err)
	}
	exec(t, db, "DROP SCHEMA mallory CASCADE")
}

// TestLeastRights runs with the rights that the documents name, and no others.
func TestLeastRights(t *testing.T) {
	db := reset(t, testenv.RoleSQL("clerk")+`DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY); INSERT INTO shop.orders VALUES (1), (2);`)
	testenv.RevokePublic(t)
	exec(t, db, `GRANT CONNECT, TEMPORARY ON DATABASE postgres TO clerk; GRANT USAGE ON SCHEMA shop TO clerk; GRANT SELECT ON shop.orders TO clerk`)
	path := writeFile(t, `{"operation":"INSERT","order":{"id":1}}`+"\n"+`{"operation":"INSERT","order":{"id":2}}`)
	args := []string{"--table", "shop.orders", "--received", path, "--wait", "0s", "--url", testenv.RoleURL(t, "clerk")}
	equal(t, 2, nil, args...)
	equal(t, 1, nil, append(args, "--where", "id = 1")...)
	equal(t, 2, nil, append(args, "--sample", "5")...)
	exec(t, db, `DROP OWNED BY clerk; DROP ROLE clerk; DROP SCHEMA shop CASCADE`)
}
