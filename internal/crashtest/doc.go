// Package crashtest kills a program at every step that changes what is on the
// disk, one run for each, so that a test can look at what it left behind.
//
// A step is a system call that changes names or makes contents durable: rename,
// link, symlink, unlink, mkdir, fsync, syncfs and their relatives. [Run] starts
// the program again and again under ptrace(2), kills it with all its threads and
// children when it is about to make its n-th such call, and calls the test's
// check; n grows until a run comes to its end.
//
// It takes the place of strace's fault injection, which a machine may not have.
// A kill is not a power cut: what was written stays in the page cache. That
// every order of steps leaves a good state is what [Run] tests. With [RunSome] a
// test can cut the power, too: shut the file system down before the program is
// killed.
package crashtest
