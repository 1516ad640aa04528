package app

import (
	"testing"

	"github.com/chromedp/chromedp"
)

const drawerConfig = `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 5}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [made], to: [browsers]}}
`

const focusIsOn = `document.activeElement === document.querySelector`

// TestDashboardDrawerHoldsFocusAndHasAnAddress proves that a drawer keeps the focus while it is open, closes in each of the ways that a
// reader expects, and gives the focus back; that the address leads to it, and "back" closes it.
func TestDashboardDrawerHoldsFocusAndHasAnAddress(t *testing.T) {
	r := startGateway(t, writeConfig(t, drawerConfig), nil)
	b := openDashboard(t, r)
	b.await(pageIsWell)
	const open = `(document.querySelector("#test").focus(), window.calls = [], window.part = Object.assign(document.createElement("p"), {
		textContent: "the part", opened() { calls.push("opened") }, closed() { calls.push("closed") }, show(status) { calls.push("show") } }),
		document.querySelector("side-drawer").open("A <b>part</b>", part, "events/42"), true)`
	const isOpen = `document.querySelector("side-drawer dialog[open]") && location.hash === "#events/42"`
	const isClosed = `!document.querySelector("side-drawer dialog[open]") && document.querySelector("side-drawer").content === null &&
		location.hash === "#events" && calls.at(-1) === "closed" && calls.filter(c => c === "closed").length === 1 && ` + focusIsOn + `("#test")`
	for name, close := range map[string]func(){
		"escape":       func() { b.run(chromedp.KeyEvent("\x1b")) },
		"button":       func() { b.run(chromedp.Click("side-drawer header button")) },
		"beside it":    func() { b.run(chromedp.MouseClickXY(100, 500)) },
		"another view": func() { eval[bool](b, `(location.hash = "#events", true)`) },
		"back":         func() { eval[bool](b, `(history.back(), true)`) },
		"by the page":  func() { eval[bool](b, `(document.querySelector("side-drawer").close(), true)`) },
	} {
		t.Log(name)
		eval[bool](b, `(location.hash = "#events", true)`)
		eval[bool](b, open)
		b.await(isOpen + ` && calls.join().startsWith("opened,show") && document.querySelector("side-drawer h2").textContent === "A <b>part</b>"`)
		b.await(`document.querySelector("side-drawer").contains(document.activeElement)`)
		close()
		b.await(isClosed)
	}

	// An address with an item opens the view and asks it for the item.
	eval[bool](b, `(document.querySelector("event-view").follow = (id) => document.querySelector("side-drawer").open(id, document.createElement("p"), "events/" + encodeURIComponent(id)), location.hash = "#events/a%2Fb", true)`)
	b.await(`document.querySelector("side-drawer dialog[open] h2")?.textContent === "a/b"`)
	eval[bool](b, `(document.querySelector("side-drawer").open("other", document.createElement("p")), true)`) // in its place
	b.await(`document.querySelector("side-drawer h2").textContent === "other"`)
	b.screenshots("drawer")
	b.run(chromedp.KeyEvent("\x1b"))
	b.await(`!document.querySelector("side-drawer dialog[open]")`)
	b.checkErrors()
}
