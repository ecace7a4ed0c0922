// Package vm runs virtual machines with QEMU and talks to them: over their serial
// console as a person would, and as a program would, through ports that only tests give
// to a machine.
//
// [Options.Command] is the command line of QEMU. [Start] runs it for a program: [Machine.Expect]
// waits for a text on the console, which need not end in a line break (a login prompt does
// not), [Machine.Send] types. A machine ends when its system switches it off, when its
// context is cancelled, or by [Machine.Stop]. [Accelerator] tries whether the processor can
// run machines.
//
// Machines that are connected to one [Network] hear each other and nobody else. A machine
// with a [Shell] runs commands that it is given, as root: [Agent] is the program in the
// machine that does so.
package vm
