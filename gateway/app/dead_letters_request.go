package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/plugin"
)

// selection returns the body of a request about the letters with these numbers, those that match, or all.
func (l *letterFlags) selection(numbers []string, all bool) (map[string]any, error) {
	q, err := l.values()
	if err != nil {
		return nil, err
	}
	ways := 0
	for _, given := range []bool{len(numbers) > 0, len(q) > 0, all} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("no dead letters are selected, or in two ways: give either numbers, or conditions such as --component, or --all")
	}
	selected := map[string]any{"all": all}
	for name := range q {
		selected[name] = q.Get(name)
	}
	var list []uint64
	for _, text := range numbers {
		n, err := letterNumber(text)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	selected["numbers"] = list
	return selected, nil
}

const helpTo = "`place` to send them to: a sink, or route.NAME for a whole route; without it, where each has failed"

// addPlace adds the flags --to and --data.
func addPlace(cmd *cobra.Command, to, file *string, set plugin.Set, f *flags) {
	cmd.Flags().StringVar(to, "to", "", helpTo)
	cmd.Flags().StringVar(file, "data", "", "`file` with a payload in place of that of the letter; - is the standard input")
	completeFlag(cmd, "to", set, f, sinkNames)
}

// letterBodyOf returns the body of a request about one letter.
func letterBodyOf(in io.Reader, to, file string) (map[string]any, error) {
	body := map[string]any{"to": placeOf(to)}
	if file == "" {
		return body, nil
	}
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(in) }
	}
	data, err := read()
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	body["data"] = letters.Payload(data)
	return body, nil
}

// placeOf returns the place in the form of the API for one on the command line: "sink shop" for shop.
func placeOf(to string) string {
	if to == "" || strings.HasPrefix(to, "sink.") || strings.HasPrefix(to, "route.") {
		return strings.Replace(to, ".", " ", 1)
	}
	return "sink " + to
}
