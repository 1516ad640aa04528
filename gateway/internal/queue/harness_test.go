package queue

import (
	"testing"
	"time"

	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// testConfig returns the configuration of a sink that has none of its own.
func testConfig() Config {
	return Config{ByKey: true, Options: Options{Size: 65536, Bytes: 64 << 20, Batch: 512, WhenFull: WhenFullBlock, MaxBlock: options.Duration(10 * time.Second)}}
}

func newTracker() *ack.Tracker { return ack.NewTracker(&stats.SourceRecord{}, nil) }

// newReceipt returns the receipt of a batch whose guard is not settled.
func newReceipt(settle func(error)) *ack.Receipt { return newTracker().Begin().Receipt(settle, nil) }
