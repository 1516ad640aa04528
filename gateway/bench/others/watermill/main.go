// Command watermill copies a Redis stream to another by a router of Watermill.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

func main() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(opt)
	nop := watermill.NopLogger{}
	in, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: client, ConsumerGroup: "bench", OldestId: "0"}, nop)
	if err != nil {
		log.Fatal(err)
	}
	out, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, nop)
	if err != nil {
		log.Fatal(err)
	}
	router, err := message.NewRouter(message.RouterConfig{}, nop)
	if err != nil {
		log.Fatal(err)
	}
	router.AddHandler("relay", "bench_in", in, "bench_out", out, func(m *message.Message) ([]*message.Message, error) { return []*message.Message{m}, nil })
	go func() {
		<-router.Running()
		log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.NotFoundHandler())) // it is ready
	}()
	log.Fatal(router.Run(context.Background()))
}
