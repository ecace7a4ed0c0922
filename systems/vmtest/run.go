package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sysc/internal/par"
	"sysc/systems/vm"
)

// Run carries out a test. An error that is no [Failure] says that it could not be: QEMU is
// missing, a disk could not be written, ctx has ended. The machines are gone when it
// returns; files in opts.Dir named after machines (.log, .png, .journal) stay, disks do
// not.
func Run(ctx context.Context, test Test, opts Options) (err error) {
	r := &run{test: test, opts: opts, network: &vm.Network{}}
	defer func() { err = errors.Join(err, r.end()) }()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.step(ctx, Booting, DefaultTimeout, r.boot); err != nil {
		return err
	}
	for i, s := range test.Steps {
		timeout := s.Timeout
		if timeout == 0 {
			timeout = DefaultTimeout
		}
		g := r.guest(s.Machine)
		if g == nil {
			return fmt.Errorf("run test: step %q is about machine %q, which there is not", s.Name, s.Machine)
		}
		if err := r.step(ctx, i, timeout, func(ctx context.Context) error { return g.do(ctx, s) }); err != nil {
			return err
		}
	}
	return nil
}

// A run is one run of a test.
type run struct {
	test    Test
	opts    Options
	network *vm.Network
	guests  []*guest
}

func (r *run) guest(name string) *guest {
	for _, g := range r.guests {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// prepare writes the disks.
func (r *run) prepare(ctx context.Context) error {
	if len(r.test.Machines) > MaxMachines {
		return fmt.Errorf("run test: it has %d machines, and at most %d can be", len(r.test.Machines), MaxMachines)
	}
	hosts := map[string]string{}
	for i, m := range r.test.Machines {
		hosts[m.Name] = address(i)
	}
	for i, m := range r.test.Machines {
		g, err := newGuest(r, m, i)
		if err != nil {
			return err
		}
		r.guests = append(r.guests, g)
		agent := vm.Agent{MAC: g.options.MAC(), Address: address(i) + prefixLength, Hosts: hosts}
		if err := r.opts.Disk(ctx, m, g.options.Disk, agent.Files()); err != nil {
			return fmt.Errorf("write disk of machine %s: %w", m.Name, err)
		}
	}
	return nil
}

// Addresses in the network of a test: of RFC 1918, and nothing else is there.
const prefixLength = "/24"

func address(i int) string { return fmt.Sprintf("192.168.1.%d", i+1) }

// step runs one step, within its time.
func (r *run) step(ctx context.Context, number int, timeout time.Duration, do func(context.Context) error) error {
	if r.opts.Began != nil {
		r.opts.Began(number)
	}
	begin := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it took more than %v", timeout))
	err := do(limited)
	cancel()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed *Failure
	if errors.As(err, &failed) {
		failed.Step = number
		r.keep(ctx)
	} else if err != nil {
		return err
	}
	if r.opts.Ended != nil {
		r.opts.Ended(number, time.Since(begin), failed)
	}
	return err
}

// boot starts all machines and waits until they are up.
func (r *run) boot(ctx context.Context) error {
	n := len(r.guests)
	return par.Do(ctx, n, n, func(ctx context.Context, i int) error { return r.guests[i].start(ctx) })
}

// keepTimeout is how long it may take to ask a machine for what its state is.
const keepTimeout = 30 * time.Second

// keep writes down what helps to understand a failure. What cannot be had is left out:
// the failure is what counts.
func (r *run) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	for _, g := range r.guests {
		if g.machine == nil {
			continue
		}
		_ = g.machine.Screenshot(ctx, filepath.Join(r.opts.Dir, g.Name+".png"))
		text, code, err := g.machine.Shell().Run(ctx, "journalctl --boot --no-pager --lines=500")
		if err == nil && code == 0 {
			_ = os.WriteFile(filepath.Join(r.opts.Dir, g.Name+".journal"), []byte(text), 0o600)
		}
	}
}

// end stops the machines and removes their disks.
func (r *run) end() error {
	var errs []error
	for _, g := range r.guests {
		errs = append(errs, g.end())
	}
	return errors.Join(errs...)
}
