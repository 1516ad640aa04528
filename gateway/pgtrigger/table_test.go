package pgtrigger

import (
	"strings"
	"testing"
)

func TestParseTable(t *testing.T) {
	for text, want := range map[string]string{
		"orders":                 "public.orders",
		"Shop.Orders":            "shop.orders",
		`"Shop"."Order ""X"" Y"`: `Shop.Order "X" Y`,
		`shop."a.b"`:             "shop.a.b",
		"":                       "error",
		"a.b.c":                  "error",
		"a..b":                   "error",
		"a.":                     "error",
		"drop table x":           "error",
		`"open`:                  "error",
		`"a"b`:                   "error",
		strings.Repeat("x", 64):  "error",
	} {
		table, err := ParseTable(text)
		got := table.Schema + "." + table.Name
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s is %s (%v), want %s", text, got, err, want)
		}
	}
}
