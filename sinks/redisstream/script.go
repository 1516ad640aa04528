package redisstream

import (
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// A writer numbers its batches. A note beside each stream holds the number of the latest batch, and
// how many entries of it are in the stream: "7 512". So a batch is not appended twice, neither as a
// retry after a lost reply, nor late on an abandoned connection. "7 512 closed" means that no more
// of batch 7 may be appended.

// appendBatch appends a batch in one step, once. KEYS: the stream, the writer's note, and the
// highest term of the leadership. ARGV: the term or "", the batch's number, the stream's length
// or 0, the number of entries, then for each entry the number of its arguments, and its fields. It
// refuses a leader whose term is over: its entries would come after those of its successor.
//
// A full server refuses a script's first write only, and never XTRIM. So a SET comes before that: else the script would fill the
// server beyond maxmemory.
//
// An error does not undo earlier commands of a script. So everything else is done before the first
// entry, and the reply has the index of a failed entry: those before it are in the stream, and those
// after it are not.
var appendBatch = redisconn.FencedScript(3, `
local number, done, closed = string.match(redis.call('GET', KEYS[2]) or '0 0', '^(%d+) (%d+)(.*)$')
local again = tonumber(number) == tonumber(ARGV[2])
if tonumber(number) > tonumber(ARGV[2]) or again and (closed ~= '' or done == ARGV[4]) then
	return {}
end
local from = again and tonumber(done) or 0
if ARGV[3] ~= '0' then
	redis.call('SET', KEYS[2], ARGV[2] .. ' ' .. from, 'EX', 86400)
	redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
end
redis.call('SET', KEYS[2], ARGV[2] .. ' ' .. ARGV[4], 'EX', 86400)
local i = 5
for entry = 0, tonumber(ARGV[4]) - 1 do
	local n = tonumber(ARGV[i])
	if entry >= from then
		local answer = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, i + 1, i + n))
		if type(answer) == 'table' and answer.err then
			redis.call('SET', KEYS[2], ARGV[2] .. ' ' .. entry, 'EX', 86400)
			return {entry, answer.err}
		end
	end
	i = i + n + 1
end
return {}`)

// closeBatch returns how many entries of an unconfirmed batch were appended. It prevents the others
// from being appended, for the batch may still arrive. KEYS: the writer's note. ARGV: the number.
var closeBatch = redis.NewScript(`
local number, done = string.match(redis.call('GET', KEYS[1]) or '0 0', '^(%d+) (%d+)')
if tonumber(number) < tonumber(ARGV[1]) then done = '0' end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. done .. ' closed', 'EX', 86400)
return tonumber(done)`)
