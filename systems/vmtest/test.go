package vmtest

import (
	"context"
	"fmt"
	"time"
)

// A Test is what is done with which machines.
type Test struct {
	Machines []Machine
	Steps    []Step
}

// MaxMachines is the largest number of machines of a test.
const MaxMachines = 50

// A Machine is one machine of a test.
type Machine struct {
	// Name is what other machines call it, too: letters, digits and hyphens.
	Name string
	// Memory is in bytes; 0 means 1 GiB. CPUs 0 means one.
	Memory int64
	CPUs   int
}

// An Action is what a step does to a machine before it looks at it.
type Action int

const (
	// None leaves it alone.
	None Action = iota
	// Reboot restarts the system, in order.
	Reboot
	// CutPower ends the machine at once, with everything that was not on its disk yet, and
	// starts it again.
	CutPower
)

// DefaultTimeout is how long a step may take, and the first boot, for machines whose
// processor may be emulated.
const DefaultTimeout = 15 * time.Minute

// A Step is done in the order of its fields.
type Step struct {
	Name string
	// Machine is the name of the machine that it is about.
	Machine string
	// Timeout is how long all of it may take; 0 means DefaultTimeout.
	Timeout time.Duration

	Action Action
	// Units are systemd units that are waited for until they are active; one that runs
	// once, until it has ended well. A unit that fails is waited for no longer.
	Units []string
	// Ports are TCP ports that are waited for until somebody listens.
	Ports []int
	// Succeed are commands for a POSIX shell that have to end with 0, Fail are those
	// that must not.
	Succeed, Fail []string
}

// The parts of a step, as failures name them.
const (
	PartAction  = "action"
	PartUnit    = "wait_for_unit"
	PartPort    = "wait_for_port"
	PartSucceed = "succeed"
	PartFail    = "fail"
)

// Booting is the step in which machines start for the first time.
const Booting = -1

// A Failure says that the systems did not do what a test says.
type Failure struct {
	// Step is the number of the step, from 0, or [Booting].
	Step int
	// Part is what of it failed, Index which of several, from 0.
	Part  string
	Index int
	// Machine is the name of the machine.
	Machine string
	// Reason is a sentence without its period; Output is what the machine says about it,
	// or "".
	Reason, Output string
}

func (f *Failure) Error() string {
	if f.Output == "" {
		return f.Machine + ": " + f.Reason
	}
	return fmt.Sprintf("%s: %s:\n%s", f.Machine, f.Reason, f.Output)
}

// Options say how a test is run.
type Options struct {
	// Dir is a directory for disks and what is kept of a failure. Required.
	Dir string
	// Accelerator is that of vm.Options.
	Accelerator string
	// Disk writes the disk of a machine to a new file, with texts for files in /etc
	// that the machine has of its own.
	Disk func(ctx context.Context, m Machine, path string, etc map[string]string) error
	// Began and Ended are called around each step, and around starting the machines
	// ([Booting]); nil is for nobody. failed is nil when all was well.
	Began func(step int)
	Ended func(step int, took time.Duration, failed *Failure)
}
