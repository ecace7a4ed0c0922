// Package build realises a graph of derivations: it is the one place where what
// evaluation described becomes objects in a store.
//
// [Realise] looks everything up first, from the sources upwards, without
// building: what is recorded and present costs a query. Then it works backwards
// from what is wanted and does only the steps whose outputs somebody needs; a
// step whose inputs turn out to be what they were before is found in the
// records after all (early cutoff), and nothing behind it runs.
//
// Steps run in parallel, downloads and work that needs a processor with limits
// of their own, the longest chain first. A step is locked while it runs, so that
// several processes on one store do it once. What has finished is registered in
// groups, because each commit waits for the disk; a step counts as done for
// others only when it is registered.
//
// There are two kinds of steps: those of package builtin, which run in this
// process, and programs, which an [Executor] runs in isolation ([Sandbox]). What
// a program leaves is hostile: it is read without following links, copied out of
// its reach, and only then hashed. Where its result should be the same always, it can be
// run once more in other circumstances, to be compared (Options.Check).
package build
