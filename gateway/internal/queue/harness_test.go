package queue

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/settle"
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
func newReceipt(settled func(error)) *ack.Receipt { return receiptOf(newTracker(), settled) }

// owner is an owner of acks that are told to a function.
type owner func(error)

func (f owner) Settled(err error) { f(err) }

func (f owner) AttemptFailed(int, time.Time) {}

// receiptOf returns the receipt of a batch of a source, whose guard is not settled.
func receiptOf(source *ack.Tracker, settled func(error)) *ack.Receipt {
	a := &settle.Ack{}
	a.Init(owner(settled), nil)
	return source.Begin().Receipt(event.Batch{Ack: a})
}
