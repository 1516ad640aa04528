// Package plugintest is the conformance suite of the plugin contract. Every plugin runs it, ours and
// a stranger's, in one test:
//
//	func TestConformance(t *testing.T) {
//		plugintest.Sink(t, plugintest.SinkHarness{Type: Type(), Reachable: ..., Receive: ...})
//	}
//
// A harness says how to reach the world that the plugin works with: see [SinkHarness],
// [SourceHarness], [TransformHarness] and [BatchHarness]. Only Type is needed. Each field that is set has more
// rules checked; a rule that the harness has not enough for is skipped, and says what it needs.
//
// Each rule of the contract is one subtest, whose name is the rule. What a plugin does against it is
// one line. The rules look at
//
//   - what the author has described: type, capabilities, options, defaults, commands, the spelling of
//     optional methods, and the table of the options in README.md;
//   - each method: it returns soon after its context has ended, does not panic, and returns errors
//     that say what is so (a retry, [plugin.Permanent], [plugin.Unavailable]), do not repeat a secret, and are
//     not logged, too;
//   - events: each is delivered or emitted once, in order, and no event, slice or buffer is changed
//     that belongs to others by then;
//   - batches, their Acks, Ready, Gap, Run and the leadership of a source;
//   - Close: twice, without use, with a context that has ended; and what is left of an instance:
//     goroutines, connections, files, log lines;
//   - instances: several share nothing, and their metrics do not clash.
//
// # Servers
//
// The suite finds addresses of this machine in options, such as 127.0.0.1:6379, and puts a proxy
// before them. So it cuts and freezes connections within a call, counts those that are left open, and
// lets a server not answer. It needs no help of the harness for that. Other servers are not cut.
//
// # A process of its own
//
// A panic in a goroutine of the plugin, os.Exit or a map that two goroutines write ends a process. So
// the suite runs the test once more in a child process, and there only up to the call of the suite.
// It takes the findings from it, and starts another one behind the rule at which one has ended. What
// stands before the call in the test is done in both processes. It costs about 0.1 s, and a start of each
// server that the test starts before. Coverage of what the child runs is not counted. Set
// PLUGINTEST_IN_PROCESS=1 to have the suite run in the test's own process, for a debugger or coverage.
//
// A data race that the detector sees in the child process is a finding; run the tests with -race.
//
// # Time
//
// The suite waits for up to 10 s for what comes at once, and for 5 s for a method whose context has
// ended. When a plugin has let it wait in vain it waits for a second only. So a plugin without faults
// takes as long as its servers do, and one that hangs everywhere less than a minute.
//
// # README.md
//
// Run the tests with PLUGINTEST_UPDATE=1 to have the table of the options written into README.md, which
// is made where there is none.
//
// # What it cannot find
//
// A goroutine that a timer has started and that leaks, a connection to another machine that is not
// closed, and a lost event of a source whose harness has no Send. It does not tell whether what
// Probe says is true.
package plugintest
