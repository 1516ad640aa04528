package pgtrigger

import (
	"os/exec"
	"testing"
)

// TestNamesInCommands proves that a table's name stays one argument of a shell, and one name of gateway
// sql.
func TestNamesInCommands(t *testing.T) {
	for _, table := range []Table{{"public", "orders"}, {"Shop", "Order Items"}, {"public", "a'; touch /tmp/pwned; '"}, {"public", `$(id) "x" \`}, {"public", "`id`\n"}} {
		name := QuoteQualified(table.Schema + "." + table.Name)
		out, err := exec.Command("sh", "-c", "printf %s "+ShellArg(name)).Output()
		if err != nil || string(out) != name {
			t.Errorf("a shell reads %s as %q: %v", ShellArg(name), out, err)
		}
		if got, err := ParseTable(name); err != nil || got != table {
			t.Errorf("%s is read as %v: %v", name, got, err)
		}
	}
	if got := ShellArg(QuoteQualified("public.orders")); got != "public.orders" {
		t.Errorf("a plain name is %s", got)
	}
	if got := QuoteLiteral(`a' OR '\`); got != `E'a'' OR ''\\'` {
		t.Errorf("the literal is %s", got)
	}
}
