// Command centrifuge publishes the messages of a Redis channel to clients of the Centrifuge protocol, which it subscribes when they
// connect.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/redis/go-redis/v9"
)

func main() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	node, err := centrifuge.New(centrifuge.Config{ClientQueueMaxSize: 64 << 20}) // as the gateway's log
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: "bench"},
			Subscriptions: map[string]centrifuge.SubscribeOptions{"orders": {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
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
			if _, err := node.Publish("orders", []byte(msg.Payload)); err != nil {
				log.Fatal(err)
			}
		}
	}()
	ping := centrifuge.PingPongConfig{PingInterval: 10 * time.Minute, PongTimeout: time.Minute} // the clients answer none
	handler := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{PingPongConfig: ping, CheckOrigin: func(*http.Request) bool { return true }})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), handler))
}
