// The order pipeline by Node.js: NOTIFY to Redis, and Redis to WebSocket clients. Without DATABASE_URL only the second half runs.
import {createServer} from 'node:http'
import pg from 'pg'
import Redis from 'ioredis'
import {WebSocketServer, WebSocket} from 'ws'

const {DATABASE_URL, REDIS_URL, PORT} = process.env
const server = createServer((_, response) => response.end())
const clients = new WebSocketServer({server})
clients.on('connection', ws => ws.send(JSON.stringify({type: 'welcome'})))

const sub = new Redis(REDIS_URL)
sub.on('message', (_, text) => {
  for (const ws of clients.clients) if (ws.readyState === WebSocket.OPEN) ws.send(text)
})
await sub.subscribe('orders_updates')

if (DATABASE_URL) {
  const redis = new Redis(REDIS_URL)
  const db = new pg.Client({connectionString: DATABASE_URL})
  await db.connect()
  let last = Promise.resolve() // keeps the order
  db.on('notification', n => {
    const order = JSON.parse(n.payload)
    order._published_at = new Date().toISOString()
    order._source = 'postgres_notify'
    const id = redis.incr('node:msg_id') // sent at once; ioredis pipelines what is under way
    last = last.then(async () => {
      order._pub_id = await id
      redis.publish('orders_updates', JSON.stringify(order))
    })
  })
  await db.query('LISTEN orders_channel')
}
server.listen(Number(PORT), '127.0.0.1')
