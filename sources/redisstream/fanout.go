package redisstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// fanout reads everything, whoever else reads.
type fanout struct {
	*reader
	at     string // the entry that was read last, or where to begin
	wasIn  bool   // there was an entry at
	key    string // of the position, where it is kept
	token  string
	missed string
}

func newFanout(r *reader) *fanout {
	f := &fanout{reader: r}
	if r.s.opts.Name != "" {
		f.key = redisconn.Beside(r.s.opts.Stream, ":position:"+r.s.opts.Name)
	}
	return f
}

const first = "0-0" // before every entry

// store keeps a position, unless somebody else has taken over.
var store = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'id', ARGV[2])
return 1`)

func (f *fanout) begin(ctx context.Context) (missed string, err error) {
	f.at = f.flight.Acked() // of the run before
	if f.key != "" {
		n, err := f.client.HIncrBy(ctx, f.key, "token", 1).Result()
		if err != nil {
			return "", err
		}
		f.token = fmt.Sprint(n)
		kept, err := f.client.HGet(ctx, f.key, "id").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return "", err
		}
		if kept != "" {
			f.at = kept
		}
	}
	if f.at != "" {
		f.wasIn = f.at != first
		return "", nil
	}
	switch f.s.opts.From {
	case "start":
		f.at = first
	case "new":
		if f.at, err = f.end(ctx); err != nil {
			return "", err
		}
	default:
		f.at, f.wasIn = f.s.opts.From, true
	}
	// From here on, whatever comes is read, even where it is not acked before the next run.
	f.flight.Idle(f.at)
	return "", f.save(ctx)
}

// end returns the ID of the newest entry that there ever was.
func (f *fanout) end(ctx context.Context) (string, error) {
	info, err := f.client.XInfoStream(ctx, f.s.opts.Stream).Result()
	var said redis.Error
	if errors.As(err, &said) && said.Error() == "ERR no such key" {
		return first, nil
	}
	if err != nil {
		return "", err
	}
	return info.LastGeneratedID, nil
}

func (f *fanout) read(ctx context.Context) (page, error) {
	stream := f.s.opts.Stream
	pipe := f.client.Pipeline()
	holder := f.holder(ctx, pipe)
	// An entry that is still there has all that came after it behind it: trimming takes
	// the oldest.
	last := pipe.XRange(ctx, stream, f.at, f.at)
	news := redis.NewCmd(ctx, "XREAD", "COUNT", maxEntries, "BLOCK", f.wait().Milliseconds(), "STREAMS", stream, f.at)
	news.SetFirstKeyPos(6)
	_ = pipe.Process(ctx, news)
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := f.held(holder); err != nil {
		return page{}, err
	}
	if last.Err() != nil {
		return page{}, last.Err()
	}
	var p page
	if f.wasIn && len(last.Val()) == 0 {
		var err error
		if p.missed, err = f.lost(ctx); err != nil {
			return page{}, err
		}
	}
	answer, err := news.Result()
	if errors.Is(err, redis.Nil) {
		return p, nil
	}
	if err != nil {
		return page{}, err
	}
	if p.entries, err = ofStream(answer); err != nil || len(p.entries) == 0 {
		return p, err
	}
	if newest := p.entries[len(p.entries)-1].id; before(f.at, newest) { // else lost has moved it
		f.at, f.wasIn = newest, true
	}
	p.more = len(p.entries) == maxEntries
	return p, nil
}

// lost says what it means that the entry which was read last is not there any more.
func (f *fanout) lost(ctx context.Context) (missed string, err error) {
	f.wasIn = false // it is said once
	end, err := f.end(ctx)
	if err != nil {
		return "", err
	}
	if before(end, f.at) {
		f.at = first
		return "the stream was made anew: what it had before may not have been read", nil
	}
	return "the stream was trimmed up to where was read, or beyond", nil
}

// holder asks who reads under the name, where it has one.
func (f *fanout) holder(ctx context.Context, pipe redis.Pipeliner) *redis.StringCmd {
	if f.key == "" {
		return nil
	}
	return pipe.HGet(ctx, f.key, "token")
}

func (f *fanout) held(holder *redis.StringCmd) error {
	if holder == nil {
		return nil
	}
	if err := holder.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if holder.Val() != f.token {
		return errTakenOver
	}
	return nil
}

func (f *fanout) alive(context.Context) error { return nil }

func (f *fanout) save(ctx context.Context) error {
	if f.key == "" {
		return nil
	}
	at, moved := f.flight.Take()
	if !moved {
		return nil
	}
	stored, err := store.Run(ctx, f.client, []string{f.key}, f.token, at).Bool()
	if err != nil {
		f.flight.Keep()
		return err
	}
	if !stored {
		return errTakenOver
	}
	return nil
}
