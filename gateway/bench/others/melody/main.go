// Command melody broadcasts the messages of a Redis channel to WebSocket clients, by plain melody.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/olahol/melody"
	"github.com/redis/go-redis/v9"
)

func main() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	m := melody.New()
	m.Config.MessageBufferSize = 65536 // with the default of 256 it drops messages of a burst
	m.HandleConnect(func(s *melody.Session) { _ = s.Write([]byte(`{"type":"welcome"}`)) })
	sub := redis.NewClient(opt).Subscribe(context.Background(), "orders_updates")
	if _, err := sub.Receive(context.Background()); err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			msg, err := sub.ReceiveMessage(context.Background())
			if err != nil {
				log.Fatal(err)
			}
			if err := m.Broadcast([]byte(msg.Payload)); err != nil {
				log.Fatal(err)
			}
		}
	}()
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) })))
}
