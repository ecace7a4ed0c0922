package modules

import (
	"context"
	"errors"
	"fmt"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/systems"
	"sysc/systems/vmtest"
)

// runMachines runs the part of the test that needs machines. scope is what names mean
// in the test.
func (t *Test) runMachines(ctx context.Context, v *Project, scope *eval.Scope, host TestHost) (diag.List, error) {
	test, diags := t.machines(scope)
	of := map[string]Target{}
	for i := range t.Machines {
		m := &t.Machines[i]
		var more diag.List
		of[m.Name], more = t.systemOf(ctx, v, m)
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		return diags, nil
	}
	err := host.RunMachines(ctx, v, test, of)
	var failure *vmtest.Failure
	if errors.As(err, &failure) {
		return append(diags, t.failed(failure)), nil
	}
	return diags, err
}

// machines evaluates the arguments of machines and steps.
func (t *Test) machines(scope *eval.Scope) (vmtest.Test, diag.List) {
	var test vmtest.Test
	var diags diag.List
	for i := range t.Machines {
		m := &t.Machines[i]
		if i == vmtest.MaxMachines {
			diags = append(diags, diag.Errorf(m.Block.Range, "Too many machines", "A test has at most %d machines.", vmtest.MaxMachines)...)
		}
		values, more := m.Values(scope)
		diags = append(diags, more...)
		test.Machines = append(test.Machines, vmtest.Machine{Name: m.Name, Memory: values.Memory, CPUs: values.CPUs})
	}
	for i := range t.Steps {
		s := &t.Steps[i]
		values, more := s.Values(scope)
		diags = append(diags, more...)
		step := vmtest.Step{
			Name: s.Name, Machine: s.Machine, Timeout: values.Timeout,
			Units: values.WaitForUnit, Ports: values.WaitForPort, Succeed: values.Succeed, Fail: values.Fail,
		}
		switch {
		case values.Reboot:
			step.Action = vmtest.Reboot
		case values.CutPower:
			step.Action = vmtest.CutPower
		}
		test.Steps = append(test.Steps, step)
	}
	return test, diags
}

// systemOf evaluates the system that a machine runs, and adds it to the graph.
func (t *Test) systemOf(ctx context.Context, v *Project, m *lang.TestMachine) (Target, diag.List) {
	name, diags := t.systemName(v, m)
	if diags.HasErrors() {
		return Target{}, diags
	}
	s, diags := v.System(ctx, systems.Machine.Address(name))
	if s == nil {
		for _, d := range diags {
			d.Subject = m.SystemRange.Ptr()
		}
		return Target{}, diags
	}
	if diags.HasErrors() {
		return Target{}, diags
	}
	ref, err := systems.Compose(v.Graph(), s.Definition)
	if err != nil {
		return Target{}, append(diags, diag.New(diag.Error, m.SystemRange, "System that cannot be made", "%v.", err))
	}
	return Target{Label: s.Address(), Ref: ref, System: &s.Definition}, diags
}

// systemName is the name of the system that a machine runs.
func (t *Test) systemName(v *Project, m *lang.TestMachine) (string, diag.List) {
	if m.System != "" {
		return m.System, nil
	}
	if t.System != "" {
		return t.System, nil
	}
	names := v.Systems()
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", diag.Errorf(m.Block.Range, "Machine without a system", "The definition has no system that machine %q could run.", m.Name)
	}
	return "", diag.Errorf(m.Block.Range, "Missing required argument", "There are several systems. Say which one the machine runs, as in\n\n  system = %q", names[0])
}

// stepArguments are the arguments that the parts of a step are written as.
var stepArguments = map[string][]string{
	vmtest.PartAction:  {lang.StepReboot, lang.StepCutPower},
	vmtest.PartUnit:    {lang.StepWaitForUnit},
	vmtest.PartPort:    {lang.StepWaitForPort},
	vmtest.PartSucceed: {lang.StepSucceed},
	vmtest.PartFail:    {lang.StepFail},
}

// failed is the problem that machines did not do what the test says, where the test says
// it.
func (t *Test) failed(f *vmtest.Failure) *diag.Diagnostic {
	at, what := t.Block.Range, "The machines do not start"
	if f.Step != vmtest.Booting {
		s := t.Steps[f.Step]
		at, what = s.Block.Range, fmt.Sprintf("Step %q failed", s.Name)
		for _, name := range stepArguments[f.Part] {
			a := s.Block.Body.Attr(name)
			if a == nil {
				continue
			}
			at = a.Expr.Range()
			if elems, ok := a.Expr.Elements(); ok && f.Index < len(elems) {
				at = elems[f.Index].Range()
			}
		}
	}
	d := diag.New(diag.Error, at, what, "On machine %q %s.", f.Machine, f.Reason)
	if f.Output != "" {
		d.Detail += "\n\n" + f.Output
	}
	return d
}
