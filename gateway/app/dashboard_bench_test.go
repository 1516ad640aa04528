package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// The load of one run of the dashboard.
const (
	pageRate     = 5000 // events per second
	pageSeconds  = 60
	slowSeconds  = 20
	slowedFactor = 6 // by which the processor of the page is slowed
)

// BenchmarkDashboard opens the page in a browser under load. It checks that the page counts every event and is never disconnected, and
// reports the time between its frames, its memory and the longest task of its main thread. With a slow processor the page may skip events.
func BenchmarkDashboard(b *testing.B) {
	b.Run("full", func(b *testing.B) { benchmarkDashboard(b, pageSeconds, 1) })
	b.Run("slowed", func(b *testing.B) { benchmarkDashboard(b, slowSeconds, slowedFactor) })
}

func benchmarkDashboard(b *testing.B, seconds int, factor float64) {
	for b.Loop() {
		client := testenv.RedisClient(b)
		page := openDashboard(b, startGateway(b, defaultConfig, nil, "deliver"))
		page.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, t, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: factor})
			return chromedp.Void{}, err
		})
		page.await(pageIsWell)
		eval[int](page, `window.tasks = []; new PerformanceObserver(list => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ["longtask"] });
			window.frames = []; { let before = performance.now(); const frame = (now) => { frames.push(now - before); before = now; requestAnimationFrame(frame); }; requestAnimationFrame(frame); }
			window.notices = new Set(); setInterval(() => { const text = document.querySelector(".notice:not(.cut-off)").innerText; if (text) notices.add(text); }, 500); 0`)
		heap := func() float64 {
			return eval[float64](page, `(globalThis.gc?.(), performance.memory.usedJSHeapSize)`) / (1 << 20)
		}
		total := pageRate * seconds
		var early float64
		tick := time.NewTicker(20 * time.Millisecond)
		sent := 0
		for begin := time.Now(); sent < total; {
			<-tick.C
			due := min(int(time.Since(begin).Seconds()*pageRate), total)
			pipe := client.Pipeline()
			for ; sent < due; sent++ {
				operation := [...]string{"INSERT", "UPDATE", "UPDATE", "DELETE"}[sent%4]
				pipe.Publish(b.Context(), "orders_updates", fmt.Sprintf(
					`{"operation":"%s","order":{"id":%d,"customer_name":"Customer %d","product_name":"Thing","status":"pending","amount":%d.50},"_published_at":"%s"}`,
					operation, sent/4, sent%97, sent%1000, time.Now().UTC().Format(time.RFC3339)))
			}
			if _, err := pipe.Exec(b.Context()); err != nil {
				b.Fatal(err)
			}
			if early == 0 && sent > total/3 {
				early = heap()
			}
		}
		tick.Stop()
		behind := time.Now()
		if factor > 1 { // the page may skip all events of the load, and shows what comes later
			testenv.Eventually(b, 2*testenv.Wait, "the page shows later events", func() bool {
				if err := client.Publish(b.Context(), "orders_updates", `{"operation":"INSERT","order":{"id":"later"}}`).Err(); err != nil {
					b.Fatal(err)
				}
				return eval[bool](page, `document.querySelector("event-table tbody").innerText.includes("later")`)
			})
		} else {
			page.await(fmt.Sprintf(`[...document.querySelectorAll(".chips .count")].reduce((n, { textContent }) => n + Number(textContent.replaceAll(",", "")), 0) === %d`, total))
		}
		b.ReportMetric(time.Since(behind).Seconds(), "s-behind-at-the-end")
		b.ReportMetric(eval[float64](page, `frames.sort((a, b) => a - b)[Math.floor(frames.length / 2)]`), "ms-frame-p50")
		b.ReportMetric(eval[float64](page, `frames[Math.floor(frames.length * 0.99)]`), "ms-frame-p99")
		b.ReportMetric(eval[float64](page, `Math.max(0, ...tasks)`), "ms-longest-task")
		b.ReportMetric(eval[float64](page, `tasks.length`), "long-tasks")
		b.ReportMetric(early, "MiB-heap-after-a-third")
		b.ReportMetric(heap(), "MiB-heap-at-the-end")
		b.Logf("the page has said: %v", eval[[]string](page, `[...notices]`))
		if down := eval[int](page, `[...document.querySelectorAll("activity-log .badge")].filter(({ innerText }) => innerText === "DOWN").length`); down > 0 {
			b.Errorf("the page was disconnected %d times", down)
		}
		page.screenshot("under-load")
		page.checkErrors()
	}
}
