// Package vmtest carries out tests in virtual machines: it starts machines on a private
// network, and does step by step what a test says, with one or another of them.
//
// [Run] returns a [Failure] when the systems do not do what the test says. What consoles
// showed stays in a directory then, with a picture of each screen and the end of each
// journal.
package vmtest
