package exec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// ready is the beginning of a program in a shell that has said that it is ready.
const ready = `read hello; echo '{"ready":1}'; `

// TestFaultyPrograms proves that a Write to each of these programs ends with an error that names the fault and stops the sink,
// and that nothing of the program is left.
func TestFaultyPrograms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		program, want string
		open, hangs   bool // Open fails; no answer comes
		set           func(*Options)
	}{
		"ends at once":           {program: `exit 3`, want: "exit status 3", open: true},
		"ends well":              {program: `exit 0`, want: "ended with status 0", open: true},
		"garbage first":          {program: `echo hello; cat >/dev/null`, want: `"hello" is not a message`, open: true},
		"another version":        {program: `echo '{"ready":2}'; cat >/dev/null`, want: `write {"ready":1}`, open: true},
		"is never ready":         {program: `sleep 1000`, want: "not become ready in time", open: true, set: func(o *Options) { o.StartTimeout = options.Duration(50 * time.Millisecond) }},
		"garbage":                {program: ready + `read b; echo garbage; cat >/dev/null`, want: `"garbage" is not a message`},
		"unknown key":            {program: ready + `read b; echo '{"acked":1}'; cat >/dev/null`, want: `unknown field "acked"`},
		"floods its output":      {program: ready + `exec yes '{"ack":1}'`, want: "which was not sent, or was answered before"},
		"a line without end":     {program: ready + `tr '\0' x </dev/zero & cat >/dev/null`, want: "longer than max_line"},
		"acks what was not sent": {program: ready + `read b; echo '{"ack":7}'; cat >/dev/null`, want: "batch 7, which was not sent"},
		"acks twice":             {program: ready + `read b; echo '{"ack":1}'; read b; echo '{"ack":1}'; cat >/dev/null`, want: "batch 1, which was not sent, or was answered before"},
		"ends in a batch":        {program: ready + `read b; exit 4`, want: "exit status 4"},
		"sleeps":                 {program: ready + `read b; sleep 1000`, hangs: true, want: "not answered a batch in time"},
		"ignores its input":      {program: ready + `sleep 1000`, hangs: true, want: "not answered a batch in time"},
		"closes its input":       {program: `read hello; exec <&-; echo '{"ready":1}'; sleep 1000`, want: "closed its input"},
		"closes its output":      {program: ready + `exec >&-; sleep 1000`, want: "closed its output"},
		"forks":                  {program: ready + `(sleep 1000; echo garbage) & read b; exit 5`, want: "exit status 5"},
		"floods its errors":      {program: ready + `yes error >&2 & read b; exit 6`, want: "exit status 6"},
		"names no event":         {program: ready + `read b; echo '{"ack":1,"failed":[{"index":5,"error":"x"}]}'; cat >/dev/null`, want: "event 5, and the batch has 1"},
		"emits":                  {program: ready + `echo '{"emit":1,"events":[]}'; cat >/dev/null`, want: "a sink writes one ack or nack"},
		"is out of memory":       {program: ready + `read b; exec ` + python + ` -c 'bytearray(300<<20)'`, want: "exit status 1", set: func(o *Options) { o.Memory = 200 << 20 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := filepath.Join(t.TempDir(), "group")
			s := newSink(t, tc.set, "/bin/sh", "-c", "echo $$ > "+group+"; "+tc.program)
			ctx := testenv.Context(t)
			if tc.hangs {
				if err := s.(plugin.Opener).Open(ctx); err != nil {
					t.Fatal(err)
				}
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			var err error
			for range 3 { // of the same event: the second answer may be the wrong one
				if err = s.Write(ctx, events("x")); err != nil {
					break
				}
			}
			if tc.open && !plugin.IsUnavailable(s.(plugin.Opener).Open(ctx)) {
				t.Error("Open succeeds")
			}
			if !plugin.IsUnavailable(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			_ = s.(plugin.Closer).Close(testenv.Context(t))
			text, err := os.ReadFile(group)
			if err != nil {
				t.Fatal(err)
			}
			pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
			if left := alive(t, pid); left != "" {
				t.Errorf("of the program is left: %s", left)
			}
		})
	}
}

// alive returns the processes of a group that have not ended. Those that have ended are listed until init has waited for them.
func alive(t *testing.T, group int) (out string) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatal("no processes are listed", err)
	}
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" && f[0] != "X" {
			out += string(text)
		}
	}
	return out
}

// TestPoison proves that an event on which the program ends each time is parked after max_deliveries, and that the others are
// delivered once the program has answered.
func TestPoison(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	s := newSink(t, func(o *Options) { o.MaxDeliveries = 3 }, "/bin/sh", "-c", ready+`while read -r line; do
		case $line in *poison*) exit 9;; esac
		n=${line#'{"batch":'}; echo "$line" >> `+out+`; echo '{"ack":'"${n%%,*}}"
	done`)
	batch, parked := events("a", "poison", "b"), 0
	testenv.Eventually(t, testenv.Wait, "all is settled", func() bool {
		if o := s.(plugin.Opener).Open(t.Context()); o != nil {
			return false
		}
		err := s.Write(testenv.Context(t), batch)
		each, _ := plugin.Outcomes(err, len(batch))
		rest := batch[:0:0]
		for i, err := range each {
			switch {
			case plugin.IsPermanent(err):
				if parked++; string(batch[i].Data) != "poison" || !strings.Contains(err.Error(), "failed on the event 3 times") {
					t.Errorf("%s is parked: %v", batch[i].Data, err)
				}
			case err != nil:
				if !plugin.IsUnavailable(err) {
					t.Errorf("%s: %v", batch[i].Data, err)
				}
				rest = append(rest, batch[i])
			}
		}
		batch = rest
		return len(batch) == 0
	})
	got := strings.Join(lines(t, out), "\n")
	if parked != 1 || strings.Count(got, `"data":"a"`) != 1 || strings.Count(got, `"data":"b"`) != 1 {
		t.Errorf("%d parked, delivered:\n%s", parked, got)
	}
}

// TestAnswers proves what each answer means for the events.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"ack": 1}`: "[<nil> <nil>]",
		`{"ack":1,"failed":[{"index":1,"error":"bad","permanent":true}]}`: "[<nil> permanent: bad]",
		`{"ack":1,"failed":[{"index":0,"error":"busy","retry_after":7}]}`: "[after 7s: busy <nil>]",
		`{"nack":1,"error":"down","unavailable":true}`:                    "[unavailable: down unavailable: down]",
		`{"nack":1,"error":"never","permanent":true}`:                     "[permanent: never permanent: never]",
		`{"nack":1,"error":"perhaps"}`:                                    "[perhaps perhaps]",
	} {
		s := newSink(t, nil, "/bin/sh", "-c", ready+"read b; echo '"+answer+"'; cat >/dev/null")
		each, _ := plugin.Outcomes(s.Write(testenv.Context(t), events("a", "b")), 2)
		var got []string
		for _, err := range each {
			text := fmt.Sprint(err)
			switch {
			case plugin.IsPermanent(err):
				text = "permanent: " + text
			case plugin.IsUnavailable(err):
				text = "unavailable: " + text
			case plugin.RetryDelay(err) > 0:
				text = fmt.Sprintf("after %v: %s", plugin.RetryDelay(err), text)
			}
			got = append(got, text)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s is %v, want %s", answer, got, want)
		}
	}
}

// TestLimits proves that a batch is cut into lines of max_line, that an event which is longer is parked alone, that the environment
// has nothing but what is listed, and that secrets are in the input only.
func TestLimits(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	s := newSink(t, func(o *Options) {
		o.MaxLine = 4096
		o.Env = options.Map[options.Secret]{{Key: "A", Value: options.NewSecret("1")}}
		o.Secrets = options.Map[options.Secret]{{Key: "token", Value: options.NewSecret("a-secret-token")}}
	}, python, "-c", `
import json, os, sys
out = open(sys.argv[1], "w")
for line in sys.stdin:
    m = json.loads(line)
    if "hello" in m:
        print(sorted(os.environ), m["options"]["token"], m["options"]["token"] in open("/proc/self/cmdline").read(), file=out, flush=True)
        print('{"ready":1}', flush=True)
    else:
        print(len(m["events"]), len(line) <= 4096, file=out, flush=True)
        print('{"ack":%d}' % m["batch"], flush=True)
`, out)
	text := strings.Repeat("x", 1500)
	each, single := plugin.Outcomes(s.Write(testenv.Context(t), events(text, strings.Repeat("y", 5000), text, text, text)), 5)
	for i, err := range each {
		if plugin.IsPermanent(err) != (i == 1) || err != nil && i != 1 || !single {
			t.Errorf("event %d: %v", i, err)
		}
	}
	got := lines(t, out)
	if len(got) < 3 || !strings.Contains(got[0], "'A'") || strings.Contains(got[0], "PATH") || !strings.HasSuffix(got[0], " a-secret-token False") || strings.Contains(fmt.Sprint(got[1:]), "False") {
		t.Errorf("got %q", got)
	}
}
