// Package plugintest is the conformance suite of the plugin contract. Every plugin runs it in one test:
//
//	func TestConformance(t *testing.T) {
//		plugintest.Sink(t, plugintest.SinkHarness{Type: Type(), Reachable: ..., Receive: ...})
//	}
//
// A harness connects the suite to the servers of the plugin: see [SinkHarness],
// [SourceHarness], [TransformHarness] and [BatchHarness]. Only Type is required. Each further field enables more
// rules. A rule whose fields are missing is skipped, and its message names them.
//
// Each rule of the contract is one subtest, whose name is the rule. Each violation is one line. The rules check
//
//   - the description of the type: capabilities, options, defaults, commands, the spelling of
//     optional methods, and the table of the options in README.md;
//   - each method: it returns soon after its context has ended, and does not panic; its errors
//     lead to the right decision (a retry, [plugin.Permanent], [plugin.Unavailable]), contain no secret, and
//     are not logged as well;
//   - events: each is delivered or emitted once, in order, and no event, slice or buffer is changed
//     after it was passed on;
//   - batches, their Acks, Ready, Gap, Run and the leadership of a source;
//   - Close: twice, without use, with a context that has ended; and that an instance leaks no
//     goroutines, connections or files, and logs nothing afterwards;
//   - instances: they share no state, and their metrics do not conflict.
//
// # Servers
//
// The suite finds addresses of this machine in options, such as 127.0.0.1:6379, and puts a proxy
// before them. The proxy cuts and freezes connections during a call, counts open connections, and
// simulates a server that does not answer. Connections to other servers are not cut.
//
// # The child process
//
// A panic in a goroutine of the plugin, os.Exit, or a map that two goroutines write ends the process. So
// the suite runs the test once more in a child process, and checks the rules there.
// If the child process ends during a rule, the suite starts another one that continues after this rule. The
// code before the call of the suite runs in both processes. This costs about 0.1 s, and a start of each
// server that the test starts before. Code that runs in the child process is not counted for coverage. Set
// PLUGINTEST_IN_PROCESS=1 to run the suite in the test's own process, for a debugger or coverage.
//
// A data race that the detector finds in the child process is a violation; run the tests with -race.
//
// # Time
//
// The suite waits up to 10 s for an event or a call that should be immediate, and 5 s for a method whose context
// has ended. After the first timeout it waits at most a second each time. A plugin without faults is
// tested as fast as its servers answer. A plugin that always hangs is tested in less than a minute.
//
// # README.md
//
// Run the tests with PLUGINTEST_UPDATE=1 to write the table of the options into README.md. The file is created
// if it does not exist.
//
// # Size
//
// The package has more than 2,500 lines, because it is one suite for four kinds of plugins: sinks, sources,
// transforms and batch transforms. A file has the rules of one subject, and the rules of all kinds share the
// child process, the proxy and the environment. The tests plant more than 250 faults, and check that the
// right rule finds each.
//
// # Limits
//
// The suite does not find a leaked goroutine that a timer has started, an open connection to another
// machine, or a lost event of a source whose harness has no Send. It does not check whether the findings of
// Probe are right.
package plugintest
