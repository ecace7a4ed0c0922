// Package vm runs virtual machines with QEMU and talks to them over their serial
// console, as a person or a test would.
//
// [Options.Command] is the command line of QEMU. [Start] runs it for a program: [Machine.Expect]
// waits for a text on the console, which need not end in a line break (a login prompt does
// not), [Machine.Send] types. A machine ends when its system switches it off, when its
// context is cancelled, or by [Machine.Stop]. [Accelerator] tries whether the processor can
// run machines.
package vm
