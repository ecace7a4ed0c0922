package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sysc/systems/health"
)

// Options say how a change is made.
type Options struct {
	// Now is the time for the report.
	Now time.Time
	// Tell is told what happens: a step, and what it is about.
	Tell func(step, name string)
}

// A Report is what a change came to.
type Report struct {
	// Health is what came out of the checks, nil when they were not carried out.
	Health *health.Report
	// Failed are units that do not run and should.
	Failed []string
	Notes  []string
}

// An UnhealthyError says that required health checks do not hold.
type UnhealthyError struct{ Report *health.Report }

// Error names them.
func (e *UnhealthyError) Error() string {
	var texts []string
	for _, r := range e.Report.Results {
		if !r.OK && !r.Wanted {
			texts = append(texts, fmt.Sprintf("health check %s: %s", r.Name, r.Problem))
		}
	}
	return strings.Join(texts, "; ")
}

// Apply makes the change, which must not need a reboot. After an error the old generation
// is what it was before, as far as the error does not say otherwise. The report is never
// nil.
func (c *Change) Apply(ctx context.Context, opts Options) (*Report, error) {
	a := &application{Change: c, opts: opts, report: &Report{}}
	if a.opts.Tell == nil {
		a.opts.Tell = func(string, string) {}
	}
	err := a.forward(ctx)
	if err == nil {
		return a.report, nil
	}
	// Whatever ended it must not keep the machine from coming back.
	if back := a.back(context.WithoutCancel(ctx)); back != nil {
		err = errors.Join(err, fmt.Errorf("going back: %w", back))
	}
	return a.report, err
}

// An application is a change being made.
type application struct {
	*Change
	opts   Options
	report *Report
	plan   *plan
	was    state
	// replaced is set when the mounts of the new generation are in place.
	replaced bool
}

func (a *application) forward(ctx context.Context) (err error) {
	if a.was, err = a.machine.state(); err != nil {
		return err
	}
	if a.none() && len(a.was.Stopped) == 0 {
		if err := a.check(ctx); err != nil {
			return err
		}
		return a.machine.setState(state{Generation: a.new.Number})
	}
	dirs, err := a.Change.replaced(ctx)
	if err != nil {
		return err
	}
	mounts, err := a.machine.open(a.new, dirs)
	if err != nil {
		return err
	}
	defer closeAll(mounts)
	units, err := loadedUnits(ctx)
	if err != nil {
		return err
	}
	if a.plan, err = a.Change.plan(ctx, units, ownUnit()); err != nil {
		return err
	}
	a.report.Notes = a.plan.notes
	if err := a.stop(ctx); err != nil {
		return err
	}
	if err := a.replace(mounts); err != nil {
		return err
	}
	a.refresh(ctx)
	if _, err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := a.start(ctx); err != nil {
		return err
	}
	return a.check(ctx)
}

// stop stops units with the files that they were started with. What is stopped is noted
// before.
func (a *application) stop(ctx context.Context) error {
	noted := state{Generation: a.old.Number, Stopped: slices.Concat(a.was.Stopped, a.plan.restart)}
	if err := a.machine.setState(noted); err != nil {
		return err
	}
	for _, name := range a.plan.stop {
		a.opts.Tell("stop", name)
	}
	if len(a.plan.stop) == 0 {
		return nil
	}
	_, err := systemctl(ctx, append([]string{"stop", "--"}, a.plan.stop...)...)
	return err
}

// replace puts the mounts in place.
func (a *application) replace(mounts []replacement) error {
	a.replaced = true // from the first one on
	for _, r := range mounts {
		a.opts.Tell("replace", r.target)
		if _, err := r.tree.Replace(r.target); err != nil {
			return err
		}
	}
	return a.machine.setState(state{Generation: a.new.Number, Stopped: slices.Concat(a.was.Stopped, a.plan.restart)})
}

// A refresher brings something up to date when files change that it is made of. What it
// has to say against them is for the user to know, and no reason to go back.
type refresher struct {
	paths   []string
	command []string
}

// In this order: there are kernel parameters of modules.
var refreshers = []refresher{
	{[]string{"usr/lib/modules-load.d", "etc/modules-load.d"}, []string{"/usr/lib/systemd/systemd-modules-load"}},
	{[]string{"usr/lib/sysctl.d", "etc/sysctl.d", "etc/sysctl.conf"}, []string{"/usr/lib/systemd/systemd-sysctl"}},
	{[]string{"usr/lib/tmpfiles.d", "etc/tmpfiles.d"}, []string{"systemd-tmpfiles", "--create"}},
	{[]string{"usr/lib/udev", "etc/udev"}, []string{"udevadm", "control", "--reload"}},
	{[]string{"usr/share/dbus-1", "etc/dbus-1"}, []string{"systemctl", "reload", "dbus.service"}},
}

func (a *application) refresh(ctx context.Context) {
	for _, r := range refreshers {
		changed := false
		for _, path := range r.paths {
			differs, err := a.differsAt(ctx, path)
			changed = changed || differs || err != nil
		}
		if !changed {
			continue
		}
		if _, err := run(ctx, r.command...); err != nil {
			a.report.Notes = append(a.report.Notes, err.Error())
		}
	}
}

// start starts what was stopped, and what is new. What fails is reported: whether the
// generation is good without it, its health checks decide.
func (a *application) start(ctx context.Context) error {
	again := slices.Concat(a.was.Stopped, a.plan.restart)
	slices.Sort(again)
	again = slices.Compact(again)
	for _, c := range []struct {
		verb  string
		names []string
	}{{"restart", again}, {"start", a.plan.start}, {"reload-or-restart", a.plan.reload}} {
		if len(c.names) == 0 {
			continue
		}
		for _, name := range c.names {
			a.opts.Tell("start", name)
		}
		if _, err := systemctl(ctx, append([]string{c.verb, "--"}, c.names...)...); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	touched, err := unitsNamed(ctx, slices.Concat(again, a.plan.start, a.plan.reload))
	if err != nil {
		return err
	}
	for _, u := range touched {
		if u.failed {
			a.report.Failed = append(a.report.Failed, u.name)
		}
	}
	return a.machine.setState(state{Generation: a.new.Number})
}

// check carries out the health checks of the new generation.
func (a *application) check(ctx context.Context) error {
	checks := a.new.Manifest.HealthChecks
	if len(checks) == 0 {
		return nil
	}
	a.opts.Tell("health", fmt.Sprint(len(checks)))
	report, err := health.Run(ctx, checks, a.opts.Now)
	if err != nil {
		return err
	}
	a.report.Health = report
	if !report.Good() {
		return &UnhealthyError{report}
	}
	return nil
}

// back undoes what forward has done.
func (a *application) back(ctx context.Context) error {
	if a.plan == nil {
		return nil
	}
	a.opts.Tell("replace", "back")
	again := slices.Concat(a.was.Stopped, a.plan.stop)
	var errs []error
	if a.replaced {
		new, err := a.stopNew(ctx)
		errs = append(errs, err, a.mountOld(ctx))
		a.Change = a.machine.Change(a.new, a.old)
		a.refresh(ctx)
		_, err = systemctl(ctx, "daemon-reload")
		errs = append(errs, err)
		again = append(again, new...)
	}
	if len(again) > 0 {
		slices.Sort(again)
		_, err := systemctl(ctx, append([]string{"restart", "--"}, slices.Compact(again)...)...)
		errs = append(errs, err)
	}
	errs = append(errs, a.machine.setState(state{Generation: a.old.Number}))
	return errors.Join(errs...)
}

// stopNew stops what only the new generation has, with its files, and returns what was
// told to read them and has to read the old ones again.
func (a *application) stopNew(ctx context.Context) ([]string, error) {
	if len(a.plan.start) == 0 {
		return a.plan.reload, nil
	}
	_, err := systemctl(ctx, append([]string{"stop", "--"}, a.plan.start...)...)
	return a.plan.reload, err
}

// mountOld puts the old generation in place of the new one.
func (a *application) mountOld(ctx context.Context) error {
	// Those of the new one, which has been compared with the old.
	dirs, err := a.Change.replaced(ctx)
	if err != nil {
		return err
	}
	mounts, err := a.machine.open(a.old, dirs)
	if err != nil {
		return err
	}
	defer closeAll(mounts)
	for _, r := range mounts {
		if _, err := r.tree.Replace(r.target); err != nil {
			return err
		}
	}
	return nil
}
