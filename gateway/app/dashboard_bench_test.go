package app

import (
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// The load of one run of the dashboard.
const (
	pageRate    = 5000 // events per second
	pageSeconds = 30
)

// BenchmarkDashboard opens the page in a browser under load. It checks that the page counts every event, and
// reports its memory and the longest task of its main thread.
func BenchmarkDashboard(b *testing.B) {
	for b.Loop() {
		client := testenv.RedisClient(b)
		page := openDashboard(b, startGateway(b, defaultConfig, nil, "deliver"))
		eval[int](page, `window.longest = 0; new PerformanceObserver(list => {
			for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
		}).observe({entryTypes: ["longtask"]}); 0`)
		heap := func() float64 { return eval[float64](page, `performance.memory.usedJSHeapSize`) / (1 << 20) }
		var early float64
		tick := time.NewTicker(20 * time.Millisecond)
		sent := 0
		for begin := time.Now(); sent < pageRate*pageSeconds; {
			<-tick.C
			due := min(int(time.Since(begin).Seconds()*pageRate), pageRate*pageSeconds)
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
			if early == 0 && sent > pageRate*pageSeconds/3 {
				early = heap()
			}
		}
		tick.Stop()
		page.await(fmt.Sprintf(`document.querySelector("key-figures dd").textContent === "%.1fk"`, float64(sent)/1e3))
		late := heap()
		b.ReportMetric(eval[float64](page, `window.longest`), "ms-longest-task")
		b.ReportMetric(early, "MiB-heap-after-a-third")
		b.ReportMetric(late, "MiB-heap-at-the-end")
		page.screenshot("under-load")
		page.checkErrors()
	}
}
