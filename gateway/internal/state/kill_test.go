package state

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// childFolder names the folder in which a child process of the test stores values.
const childFolder = "STATE_TEST_FOLDER"

// writeForEver stores one number after the other, each with padding of another length, and prints each that is durable.
func writeForEver(dir string) {
	s := Of(&fileStore{dir: dir}, SourceScope("s"), in(1))
	text, err := s.Get(context.Background(), "k")
	n, _ := strconv.Atoi(strings.TrimRight(string(text), "."))
	for ; err == nil; n++ {
		err = s.Put(context.Background(), "k", []byte(fmt.Sprint(n+1, strings.Repeat(".", n%3*20_000))))
		fmt.Println(n + 1)
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestFileSurvivesKill proves that after kill -9 the value is the last one that was stored, or the next one, as a whole.
func TestFileSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	s := Of(&fileStore{dir: dir}, SourceScope("s"), NoTerm)
	stored := 0
	for round := range 20 {
		child := exec.CommandContext(testenv.Context(t), os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 3 + round {
			if !lines.Scan() {
				t.Fatalf("the child process ends: %v", child.Wait())
			}
		}
		_ = child.Process.Kill()
		for ok := true; ok; ok = lines.Scan() { // what it has printed before
			if stored, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(lines.Text())
			}
		}
		_ = child.Wait()
		text, err := s.Get(testenv.Context(t), "k")
		digits := strings.TrimRight(string(text), ".")
		n, _ := strconv.Atoi(digits)
		if err != nil || n != stored && n != stored+1 || len(text)-len(digits) != (n-1)%3*20_000 {
			t.Fatalf("%d is stored with %d bytes, %v; %d was durable", n, len(text), err, stored)
		}
	}
}
