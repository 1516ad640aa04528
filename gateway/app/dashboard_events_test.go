package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

const eventsConfig = `
http: {listen: ":${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [events]}}
sinks: {browsers: {type: websocket, attributes: true}}
routes: {all: {from: [bus], to: [browsers]}}
`

// openEvents opens the page of a gateway that sends what publish publishes.
func openEvents(t *testing.T) (b *browser, publish func(payloads ...string)) {
	t.Helper()
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, eventsConfig), nil)
	return openDashboard(t, r), func(payloads ...string) {
		t.Helper()
		for _, payload := range payloads {
			if err := redis.Publish(testenv.Context(t), "events", payload).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// change is the payload of a change of a row.
func change(operation, table, id, name string) string {
	return fmt.Sprintf(`{"operation":%q,"table":%q,"id":1,"old":null,"new":{"id":%s,"name":%q,"price":5.30,"sku":"S","a":1,"b":2,"c":3,"__proto__":{"x":1},"constructor":"C"}}`, operation, table, id, name)
}

// rows is an expression with the texts of the rows that the page shows.
const rows = `[...document.querySelectorAll("event-table tbody tr")].map(row => row.innerText.replace(/\s+/g, " "))`

// selectTable is an expression that clicks on the tab of a table.
func selectTable(name string) string {
	return fmt.Sprintf(`([...document.querySelectorAll(".tables button")].find(b => b.title === %q)?.click(), true)`, name)
}

// TestDashboardShowsAnyTable proves that events of any table have a tab, columns and a row for each key, also if two tables have
// equal ids, or ids beyond 2^53. The columns can be chosen, and the choice outlives the page. The drawer shows all of an event.
func TestDashboardShowsAnyTable(t *testing.T) {
	b, publish := openEvents(t)
	publish(change("INSERT", "public.items", "7", "Lamp"), change("INSERT", "public.shelves", "7", "Oak"), change("INSERT", "public.items", "9007199254740993", "Desk"),
		change("INSERT", "public.items", "9007199254740992", "Chair"), change("UPDATE", "public.items", "9007199254740993", "Table"), `{"hello":"world"}`, "plain text", "\xff\xfe")
	b.await(`document.querySelectorAll(".tables button").length === 3`)
	b.await(`document.querySelector('.tables button[aria-pressed="true"]').title === "public.items"`) // a table comes first
	b.await(rows + `.length === 3`)
	for i, want := range []string{"UPDATE 9007199254740993 Table 5.30", "INSERT 9007199254740992 Chair 5.30", "INSERT 7 Lamp 5.30"} {
		b.await(fmt.Sprintf(rows+`[%d].startsWith(%q)`, i, want))
	}
	b.await(`[...document.querySelectorAll(".chips button")].map(b => b.innerText.replace(/\s+/g, " ")).join() === "INSERT 3,UPDATE 1"`)
	b.await(selectTable("public.shelves") + ` && ` + rows + `.join().startsWith("INSERT 7 Oak")`)
	b.await(selectTable("events") + ` && ` + rows + `.length === 3`)
	b.await(`["world", "plain text", "2 bytes"].every(text => ` + rows + `.join().includes(text))`)

	// The columns.
	heads := `[...document.querySelectorAll("event-table th")].map(th => th.innerText.trim()).join()`
	b.await(selectTable("public.items") + ` && ` + heads + ` === "Operation,id,name,price,sku,a,b,Time"`)
	eval[bool](b, `(document.querySelector(".columns summary").click(), [...document.querySelectorAll(".columns label")].forEach(label => {
		if (["a", "b", "__proto__", "constructor"].includes(label.textContent.trim())) label.querySelector("input").click();
	}), true)`)
	b.await(heads + ` === "Operation,id,name,price,sku,__proto__,constructor,Time"`)
	b.await(rows + `[0].includes('Table 5.30 S {"x":1} C')`)
	b.screenshots("events-columns")
	b.run(chromedp.EmulateViewport(1280, 844))

	// The drawer.
	eval[bool](b, `(document.querySelector("event-table tbody tr button").click(), true)`)
	b.await(`document.querySelector("event-detail")?.innerText.includes("Changed since the last version (1)")`)
	b.await(`document.querySelector("event-detail tbody tr").innerText.replace(/\s+/g, " ") === "name Desk Table"`)
	detail := eval[string](b, `document.querySelector("event-detail").innerText`)
	for _, want := range []string{`"price":5.30`, "000000  7b 22 6f 70", "channel\nevents", "source\nbus", "WHERE \"id\" = '\\''9007199254740993'\\''", "new.id+%3D%3D+9007199254740993"} {
		if !strings.Contains(detail, want) {
			t.Errorf("the drawer lacks %q:\n%s", want, detail)
		}
	}
	b.screenshots("events-drawer")
	b.run(chromedp.EmulateViewport(1280, 844))
	b.run(chromedp.KeyEvent("\x1b"))
	b.await(`!document.querySelector("dialog[open]")`)

	b.run(chromedp.Reload())
	b.await(selectTable("public.items") + ` && ` + heads + ` === "Operation,id,name,price,sku,__proto__,constructor,Time"`) // with the history of the gateway
	b.await(rows + `.length === 3`)
	b.checkErrors()
}

// TestDashboardLoadsRows proves that the page loads the rows that exist where the sink offers a snapshot, below those with events.
func TestDashboardLoadsRows(t *testing.T) {
	db := testenv.OrdersTable(t)
	if _, err := db.Exec(testenv.Context(t), `INSERT INTO orders (customer_name, status) SELECT 'Ada ' || n, 'old' FROM generate_series(1, 600) n`); err != nil {
		t.Fatal(err)
	}
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [rows]}}
sinks:
  pages:
    type: websocket
    channels: ["{{ operation }}"]
    snapshot: {url: "${DATABASE_URL}", tables: [orders]}
routes: {all: {from: [bus], to: [pages]}}
`), nil)
	b := openDashboard(t, r)
	publish(t, "rows", `{"operation":"UPDATE","order":{"id":3,"customer_name":"Grace","status":"new"}}`)
	b.await(rows + `.length === 1`)
	b.await(`document.querySelector(".row-loader button").innerText === "Load the rows of orders"`)
	eval[bool](b, `(document.querySelector(".row-loader button").click(), true)`)
	b.await(`document.querySelector(".row-loader").innerText.includes("499 of 500 rows have no event here")`)
	b.await(rows + `[0].startsWith("UPDATE 3 Grace") && ` + rows + `[1].startsWith("READ 1 Ada 1 ")`)
	b.await(`document.querySelector(".more").innerText === "Show 50 more of 450"`)
	b.screenshots("events-rows")
	b.accessible("events with rows")
	b.checkErrors()
}

// TestDashboardFiltersEvents proves that the search, the chips and the filter choose among the events, that a wrong filter is explained
// and the former one stays, and that the history comes again for another filter.
func TestDashboardFiltersEvents(t *testing.T) {
	b, publish := openEvents(t)
	for n := range 10 {
		publish(fmt.Sprintf(`{"operation":%q,"table":"items","id":1,"old":null,"new":{"id":%d,"name":"<b>N%[2]d</b>"}}`, []string{"INSERT", "UPDATE"}[n%2], n))
	}
	b.await(rows + `.length === 10`)
	search := func(text string) string {
		return fmt.Sprintf(`(document.querySelector(".events-bar input").value = %q, document.querySelector(".events-bar input").dispatchEvent(new Event("input")), true)`, text)
	}
	b.await(search("<B>n4") + ` && ` + rows + `.length === 1 && ` + rows + `[0].includes("<b>N4</b>")`)
	b.await(search("") + ` && ` + rows + `.length === 10`)
	eval[bool](b, `(document.querySelector('.chips [data-operation="UPDATE"]').click(), true)`)
	b.await(rows + `.length === 5 && ` + rows + `.every(row => row.startsWith("UPDATE"))`)
	eval[bool](b, `(document.querySelector('.chips [data-operation="UPDATE"]').click(), true)`)
	b.await(rows + `.length === 10`)

	filter := func(text string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`(document.querySelector("#filter").value = %q, document.querySelector("form.filter").requestSubmit(), true)`, text))
	}
	filter("new.id >")
	b.await(`document.querySelector("#filter").getAttribute("aria-invalid") === "true" && document.querySelector("#filter-state").innerText.includes("unexpected token EOF")`)
	b.screenshots("events-filter-refused")
	publish(`{"operation":"INSERT","table":"items","id":1,"old":null,"new":{"id":10,"name":"after"}}`)
	b.await(rows + `.length === 11`) // the former subscription goes on
	filter("new.id >= 8")
	b.await(`document.querySelector("#filter").getAttribute("aria-invalid") === "false" && ` + rows + `.length === 3`)
	publish(`{"operation":"INSERT","table":"items","id":1,"old":null,"new":{"id":3,"name":"hidden"}}`, `{"operation":"DELETE","table":"items","id":1,"old":{"id":9,"name":"gone"},"new":null}`)
	b.await(rows + `.length === 3 && ` + rows + `[0].startsWith("LEFT 9 gone")`)
	b.await(`getComputedStyle(document.querySelector("event-table tbody tr td:nth-child(2)")).textDecorationLine === "line-through"`)
	b.screenshots("events-filtered")
	eval[bool](b, `(document.querySelector("#reconnect").click(), true)`)
	publish(`{"operation":"INSERT","table":"items","id":1,"old":null,"new":{"id":4,"name":"hidden"}}`, `{"operation":"INSERT","table":"items","id":1,"old":null,"new":{"id":12,"name":"shown"}}`)
	b.await(rows + `.length === 4 && ` + rows + `[0].includes("shown")`)
	eval[bool](b, `([...document.querySelectorAll(".filter button")].find(b => b.innerText === "Remove").click(), true)`)
	b.await(rows + `.length === 12`) // also id 3 and 4, of the history
	b.checkErrors()
}

// TestDashboardPausesAndClears proves that a pause holds new events back and counts them, that Clear can be undone, that the table stands still
// while the pointer is over it, and that the keys are those of the page only.
func TestDashboardPausesAndClears(t *testing.T) {
	b, publish := openEvents(t)
	insert := func(from, to int) {
		for n := from; n < to; n++ {
			publish(change("INSERT", "items", fmt.Sprint(n), "N"))
		}
	}
	const pause = `document.querySelector(".pause").innerText`
	insert(0, 3)
	b.await(rows + `.length === 3`)
	b.run(chromedp.KeyEvent(" "))
	insert(3, 8)
	b.await(pause + ` === "Resume (5 new)"`)
	b.screenshots("events-paused")
	b.await(rows + `.length === 3`)
	b.run(chromedp.KeyEvent(" "))
	b.await(pause + ` === "Pause" && ` + rows + `.length === 8 && ` + rows + `[0].startsWith("INSERT 7 ")`)

	b.run(chromedp.KeyEvent("l", chromedp.KeyModifiers(2)))
	b.await(rows + `.length === 0 && document.querySelector(".undo").innerText.includes("Cleared 8 events")`)
	b.screenshots("events-cleared")
	insert(8, 9)
	b.await(rows + `.length === 1`)
	eval[bool](b, `(document.querySelector(".undo button").click(), true)`)
	b.await(rows + `.length === 9 && ` + rows + `[0].startsWith("INSERT 8 ") && document.querySelector(".undo").hidden`)
	b.await(`document.querySelector("key-figures dd").textContent === "9"`)

	// Keys in a field are those of the field.
	b.run(chromedp.Focus("#filter"), chromedp.KeyEvent("a b"), chromedp.KeyEvent("l", chromedp.KeyModifiers(2)))
	b.await(`document.querySelector("#filter").value === "a b" && ` + pause + ` === "Pause" && ` + rows + `.length === 9`)
	eval[bool](b, `(document.activeElement.blur(), true)`)

	at := eval[[]float64](b, `(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector("event-table tbody tr:nth-child(2)").getBoundingClientRect())`)
	b.run(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
	b.await(`document.querySelector("event-table tbody").matches(":hover")`)
	insert(9, 12)
	b.await(`document.querySelector(".notice:not(.cut-off)").innerText.includes("3 new")`)
	b.await(rows + `[0].startsWith("INSERT 8 ")`)
	b.run(chromedp.MouseEvent("mouseMoved", 5, 5))
	b.await(rows + `.length === 12 && ` + rows + `[0].startsWith("INSERT 11 ")`)

	// Load pushes no note out of the log.
	b.await(`(document.querySelector("#reconnect").click(), true)`)
	b.await(`document.querySelector("activity-log").innerText.includes("No event was missed")`)
	insert(100, 400)
	b.await(`document.querySelectorAll("event-table tbody tr").length === 50 && document.querySelector(".more").innerText === "Show 50 more of 262"`)
	b.await(`document.querySelector("activity-log").innerText.includes("No event was missed") && document.querySelector("activity-log").innerText.includes("items 399")`)
	b.checkErrors()
}

// TestDashboardShowsHostileNames proves that markup in the names of tables, columns, operations and keys is text, that names such as __proto__
// and constructor are names, and that no payload passes for a control message.
func TestDashboardShowsHostileNames(t *testing.T) {
	b, publish := openEvents(t)
	eval[int](b, `window.fooled = 0; window.alert = () => { window.fooled++ }; window.before = document.querySelectorAll("script, style, img, iframe, svg, object, a, link, meta").length`)
	for _, p := range xssPayloads {
		q := fmt.Sprintf("%q", p)
		q = strings.ReplaceAll(q, `\x`, `\u00`)
		publish(fmt.Sprintf(`{"operation":%[1]s,"table":%[1]s,"new":{"id":%[1]s,%[1]s:%[1]s}}`, q), fmt.Sprintf(`{%[1]s:{%[1]s:1}}`, q),
			fmt.Sprintf(`{"operation":"INSERT",%[1]s:{"id":1,%[1]s:[%[1]s]}}`, q), fmt.Sprintf(`{"type":"subscribed","epoch":%s,"offset":0,"seen":0}`, q),
			fmt.Sprintf(`{"type":"attributes","messages":[{"attrs":{"table":%s}}]}`, q), fmt.Sprintf(`{"operation":"INSERT","__proto__":{"id":%[1]s,"toString":%[1]s}}`, q))
	}
	for _, name := range []string{"__proto__", "constructor", "hasOwnProperty", "toString"} {
		publish(fmt.Sprintf(`{"operation":%[1]q,"table":%[1]q,"new":{"id":%[1]q,%[1]q:1,"__proto__":%[1]q}}`, name))
		b.await(selectTable(name) + ` && ` + rows + `.join().includes("` + name + ` ` + name + `")`)
	}
	for _, p := range xssPayloads {
		b.await(fmt.Sprintf(`(window.wanted = %q, [...document.querySelectorAll(".tables button")].find(b => b.title === wanted)?.click(), true) && [...document.querySelectorAll("event-table td")].some(td => td.textContent === wanted)`, p))
	}
	eval[bool](b, `(document.querySelector("event-table tbody tr button").click(), true)`)
	b.await(`document.querySelector("event-detail")?.innerText.includes("Payload")`)
	b.await(`document.querySelector(".columns label")`)
	b.screenshots("events-hostile")
	if fooled, more := eval[int](b, `window.fooled`), eval[int](b, `document.querySelectorAll("script, style, img, iframe, svg, object, a, link, meta").length - window.before`); fooled != 0 || more != 0 {
		t.Errorf("%d scripts ran, %d elements were made of text", fooled, more)
	}
	if polluted := eval[bool](b, `({}).x !== undefined || ({}).id !== undefined || ({}).attrs !== undefined`); polluted {
		t.Error("a payload has changed the prototype of all objects")
	}
	b.await(`document.querySelector("connection-state").dataset.state === "connected"`)
	b.checkErrors()
}
