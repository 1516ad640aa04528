package redisstream

import (
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// A writer numbers its batches, and notes beside each stream the last number that has arrived
// there, and how many entries of that batch are in the stream: "7 512". So a batch that comes a
// second time, because its answer was lost, or late on a connection that was given up, is not
// appended again. "7 512 closed" says that nothing of batch 7 is appended any more.

// appendBatch appends a batch in one step, once. KEYS: the stream, what the writer notes, and the
// highest term of the leadership. ARGV: the term or "", the batch's number, the stream's length
// or 0, how many entries there are, then for each how many arguments it has, and its fields. A
// leader whose term is over is refused: what it still sends would come behind what its
// successor has appended.
//
// What is refused undoes nothing that came before it. So everything else is done before the
// first entry, and an entry that fails is answered with its number: those before it are in
// the stream, and those behind it are not.
var appendBatch = redisconn.FencedScript(3, `
local number, done, closed = string.match(redis.call('GET', KEYS[2]) or '0 0', '^(%d+) (%d+)(.*)$')
local again = tonumber(number) == tonumber(ARGV[2])
if tonumber(number) > tonumber(ARGV[2]) or again and (closed ~= '' or done == ARGV[4]) then
	return {}
end
local from = again and tonumber(done) or 0
if ARGV[3] ~= '0' then
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

// closeBatch returns how many entries of a batch were appended whose answer was lost, and keeps
// the rest from it: what was sent may still arrive. KEYS: what the writer notes. ARGV: the number.
var closeBatch = redis.NewScript(`
local number, done = string.match(redis.call('GET', KEYS[1]) or '0 0', '^(%d+) (%d+)')
if tonumber(number) < tonumber(ARGV[1]) then done = '0' end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. done .. ' closed', 'EX', 86400)
return tonumber(done)`)
