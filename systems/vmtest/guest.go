package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sysc/internal/shellword"
	"sysc/systems/vm"
)

// A guest is a machine of a run.
type guest struct {
	Machine
	run     *run
	options vm.Options
	log     *log
	machine *vm.Machine // nil while it is off
}

func newGuest(r *run, m Machine, i int) (*guest, error) {
	dir, err := os.MkdirTemp(r.opts.Dir, "machine-")
	if err != nil {
		return nil, err
	}
	log, err := newLog(filepath.Join(r.opts.Dir, m.Name+".log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &guest{Machine: m, run: r, log: log, options: vm.Options{
		Disk: filepath.Join(dir, "disk"), Dir: dir, Memory: m.Memory, CPUs: m.CPUs, Accelerator: r.opts.Accelerator,
		Reboot: true, Network: r.network, Station: i + 1, Shell: true, Screen: true,
	}}, nil
}

// start switches the machine on and waits until it is up.
func (g *guest) start(ctx context.Context) error {
	// The machine outlives the step.
	machine, err := vm.Start(context.WithoutCancel(ctx), g.options, g.log)
	if err != nil {
		return err
	}
	g.machine = machine
	return g.up(ctx)
}

// up waits until the machine is up.
func (g *guest) up(ctx context.Context) error {
	booted, err := g.machine.Shell().Boot(ctx)
	if err != nil {
		return g.failure(PartAction, 0, "it did not come up", err)
	}
	if booted.Trouble != "" && len(g.run.guests) > 1 {
		return &Failure{Part: PartAction, Machine: g.Name,
			Reason: "it has no address in the network of the test: it needs systemd-networkd, or ip(8), which is in the package iproute2", Output: booted.Trouble}
	}
	return nil
}

func (g *guest) failure(part string, index int, reason string, err error) error {
	return &Failure{Part: part, Index: index, Machine: g.Name, Reason: fmt.Sprintf("%s: %v", reason, err)}
}

// do carries out a step.
func (g *guest) do(ctx context.Context, s Step) error {
	if err := g.act(ctx, s.Action); err != nil {
		return err
	}
	for i, unit := range s.Units {
		if err := g.waitForUnit(ctx, i, unit); err != nil {
			return err
		}
	}
	for i, port := range s.Ports {
		if err := g.waitForPort(ctx, i, port); err != nil {
			return err
		}
	}
	for i, command := range s.Succeed {
		output, code, err := g.machine.Shell().Run(ctx, command)
		switch {
		case err != nil:
			return g.failure(PartSucceed, i, "the command did not end", err)
		case code != 0:
			return &Failure{Part: PartSucceed, Index: i, Machine: g.Name, Reason: fmt.Sprintf("the command ended with %d", code), Output: tail(output)}
		}
	}
	for i, command := range s.Fail {
		output, code, err := g.machine.Shell().Run(ctx, command)
		switch {
		case err != nil:
			return g.failure(PartFail, i, "the command did not end", err)
		case code == 0:
			return &Failure{Part: PartFail, Index: i, Machine: g.Name, Reason: "the command ended with 0 and was expected to fail", Output: tail(output)}
		}
	}
	return nil
}

func (g *guest) act(ctx context.Context, action Action) error {
	switch action {
	case Reboot:
		if err := g.machine.Shell().Begin(ctx, "systemctl reboot"); err != nil {
			return g.failure(PartAction, 0, "it cannot be restarted", err)
		}
		return g.up(ctx)
	case CutPower:
		g.machine.Stop()
		g.machine = nil
		return g.start(ctx)
	}
	return nil
}

// poll is how often a machine is asked for what does not tell by itself.
const poll = time.Second

// wait waits for a while, or until there is no time left.
func wait(ctx context.Context) {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (g *guest) waitForUnit(ctx context.Context, index int, unit string) error {
	show := "systemctl show --property=LoadState,ActiveState,Type,Result,InactiveExitTimestampMonotonic -- " + shellword.Quote(unit)
	state := "not known"
	for {
		text, code, err := g.machine.Shell().Run(ctx, show)
		switch {
		case ctx.Err() != nil:
			return g.unitFailure(ctx, index, unit, fmt.Sprintf("is %s: %v", state, context.Cause(ctx)))
		case err != nil:
			return g.failure(PartUnit, index, unit+" cannot be asked for", err)
		case code != 0:
			return &Failure{Part: PartUnit, Index: index, Machine: g.Name, Reason: unit + " cannot be asked for", Output: tail(text)}
		}
		is := properties(text)
		state = is["ActiveState"]
		ran := is["Type"] == "oneshot" && is["Result"] == "success" && is["InactiveExitTimestampMonotonic"] != "0"
		switch {
		case state == "active", state == "inactive" && ran:
			return nil
		case is["LoadState"] == "not-found":
			return &Failure{Part: PartUnit, Index: index, Machine: g.Name, Reason: "there is no " + unit}
		case state == "failed":
			return g.unitFailure(ctx, index, unit, "failed")
		}
		wait(ctx)
	}
}

// unitFailure says what is wrong with a unit, with what systemd knows of it.
func (g *guest) unitFailure(ctx context.Context, index int, unit, what string) error {
	f := &Failure{Part: PartUnit, Index: index, Machine: g.Name, Reason: unit + " " + what}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	// Its exit code is that of the unit. Where the machine does not answer, there is
	// nothing to add.
	if text, _, err := g.machine.Shell().Run(ctx, "systemctl status --no-pager --full --lines=30 -- "+shellword.Quote(unit)); err == nil {
		f.Output = tail(text)
	}
	return f
}

// properties reads what systemctl show prints.
func properties(text string) map[string]string {
	is := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			is[name] = value
		}
	}
	return is
}

func (g *guest) waitForPort(ctx context.Context, index, port int) error {
	for {
		text, _, err := g.machine.Shell().Run(ctx, "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true")
		switch {
		case err != nil:
			return g.failure(PartPort, index, "nobody listens on port "+strconv.Itoa(port), err)
		case listens(text, port):
			return nil
		}
		wait(ctx)
	}
}

// listens reports whether a table of sockets, as proc_net_tcp.rst of Linux describes it, has one
// that listens on a port.
func listens(table string, port int) bool {
	const local, state, listening = 1, 3, "0A"
	end := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > state && f[state] == listening && strings.HasSuffix(f[local], end) {
			return true
		}
	}
	return false
}

// shownLines is how much of an output a failure has in it.
const shownLines = 30

// tail returns the last lines of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-shownLines):], "\n")
}

// end switches the machine off and removes what it had.
func (g *guest) end() error {
	if g.machine != nil {
		g.machine.Stop()
	}
	return errors.Join(g.log.Close(), os.RemoveAll(g.options.Dir))
}
