package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/crypto/bcrypt"

	"eventgateway/gateway/testenv"
)

// hostile would change the title of a page that took it as markup or code.
const hostile = `<img src=x onerror=document.title='fooled'>"'><svg/onload=document.title='fooled'>`

// TestDashboardReplaysDeadLetters proves that letters can be searched, opened, edited, tried, replayed and deleted on the page, and that the
// role read sees neither buttons nor masked fields. Each text of a letter is hostile.
func TestDashboardReplaysDeadLetters(t *testing.T) {
	var mended atomic.Bool
	got := make(chan string, 100)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !mended.Load() {
			http.Error(w, hostile, http.StatusUnprocessableEntity)
			return
		}
		got <- string(body)
	}))
	defer shop.Close()
	hash, err := bcrypt.GenerateFromPassword([]byte("reads"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}", admin: {users: {reader: {password: %q, role: read}}}}
dead_letters: {path: %q}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [letters_page], key: name}
transforms:
  strict: {type: filter, when: amount > 100}
  hide: {type: mask, fields: [card]}
sinks:
  browsers: {type: websocket}
  shop: {type: webhook, url: %q, allow: [127.0.0.1]}
routes:
  sell: {from: [bus], to: [shop]}
  large: {from: [bus], through: [strict, hide], to: [browsers]}
`, hash, filepath.Join(t.TempDir(), "letters"), shop.URL)), nil)
	redis := testenv.RedisClient(t)
	for n := range 3 {
		payload := fmt.Sprintf(`{"n":%d,"name":%q,"card":"4111","amount":null}`, n, hostile)
		if err := redis.Publish(testenv.Context(t), "letters_page", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b := openDashboard(t, r)
	rows := func(n int) string {
		return fmt.Sprintf(`document.querySelectorAll("letter-table tbody tr").length === %d`, n)
	}
	press := func(text string) { // in the drawer while that is open
		b.await(fmt.Sprintf(`((scope) => {
			const button = [...scope.querySelectorAll("button")].find(x => x.offsetParent && !x.disabled && x.textContent.startsWith(%q));
			button?.click();
			return button;
		})(document.querySelector("dialog[open]") ?? document.querySelector("dead-letter-view"))`, text))
	}
	fill := func(name, value string) {
		eval[bool](b, fmt.Sprintf(`(document.querySelector('letter-search [name=%s]').value = %q, document.querySelector("letter-search form").requestSubmit(), true)`, name, value))
	}
	b.await(`(location.hash = "dead-letters", ` + rows(6) + `)`)
	b.screenshot("letters")
	fill("component", "route large")
	b.await(rows(3))
	fill("q", `"n":1`)
	b.await(rows(1))
	b.accessible("dead letters")
	eval[bool](b, `(document.querySelector("letter-table .link").click(), true)`)
	b.await(`document.querySelector("#letter-payload")?.value.includes("4111")`)
	b.accessible("a dead letter")
	press("Dry run")
	b.await(`document.querySelector("letter-detail .result .error")?.textContent.includes("It would fail again: route large, transform strict")`)
	eval[bool](b, `((p => p.value = p.value.replace("null", "101"))(document.querySelector("#letter-payload")), true)`)
	press("Dry run")
	b.await(`document.querySelector("letter-detail .result").textContent.includes("Sink browsers")`)
	b.screenshot("letter")
	press("Replay")
	b.await(`document.querySelector("letter-detail .result .good")?.textContent.includes("1 delivered")`)
	b.await(rows(0))
	eval[bool](b, `(document.querySelector("side-drawer").close(), document.querySelector("letter-search form").reset(), true)`)
	b.await(rows(5))
	fill("component", "sink shop")
	b.await(rows(3))
	press("Replay all that match")
	press("Replay all that match: really?")
	b.await(`document.querySelector("replay-progress .error")?.textContent.includes("3 failed again")`)
	mended.Store(true)
	press("Replay all that match")
	press("Replay all that match: really?")
	b.await(`document.querySelector("replay-progress .good")?.textContent.includes("3 delivered")`)
	for n := range 3 {
		if body := <-got; !strings.Contains(body, fmt.Sprintf(`{"n":%d,`, n)) {
			t.Errorf("the shop got %s", body)
		}
	}
	eval[bool](b, `(document.querySelector("letter-search form").reset(), true)`)
	b.await(rows(2))

	reads := openPage(t, r, "")
	eval[bool](reads, `(fetch("api/session", {method: "POST", headers: {Authorization: "Basic " + btoa("reader:reads")}}).then(({ status }) => { window.session = status; }), true)`)
	reads.await(`window.session === 204`)
	reads.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
	reads.await(`document.querySelector("health-state:not([hidden])")`)
	reads.await(`(location.hash = "dead-letters", ` + rows(2) + `)`)
	if n := eval[int](reads, `[...document.querySelectorAll("dead-letter-view .actions *, letter-table input")].filter(x => x.offsetParent).length`); n != 0 {
		t.Errorf("the role read sees %d controls", n)
	}
	eval[bool](reads, `(document.querySelector("letter-table .link").click(), true)`)
	reads.await(`document.querySelector("letter-detail pre")?.textContent.includes('"card":"***"')`)
	if text := eval[string](reads, `document.body.innerHTML`); strings.Contains(text, "4111") {
		t.Error("the role read sees a masked field")
	}
	reads.checkErrors()

	eval[bool](b, `(document.querySelector("letter-table thead input").click(), true)`)
	press("Delete 2 selected")
	press("Delete 2 selected: really?")
	b.await(`document.querySelector("dead-letter-view .summary").textContent.includes("2 deleted")`)
	if title := eval[string](b, `document.title`); strings.Contains(title, "fooled") || eval[int](b, `document.querySelectorAll("dead-letter-view img, dead-letter-view svg").length`) != 0 {
		t.Errorf("fooled: %s", title)
	}
	b.checkErrors()
}
