package lang

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// A TestMachine is a machine block of a test.
type TestMachine struct {
	Name string
	// System is the name of its system, "" for the only one there is; SystemRange is
	// where it stands.
	System      string
	SystemRange diag.Range
	Block       *syntax.Block
}

// A TestStep is a step block of a test.
type TestStep struct {
	Name string
	// Machine is the name of the machine that it is about, of those of the test.
	Machine string
	Block   *syntax.Block
}

// The arguments of steps that say what is done, in the order in which it is.
const (
	StepReboot      = "reboot"
	StepCutPower    = "cut_power"
	StepWaitForUnit = "wait_for_unit"
	StepWaitForPort = "wait_for_port"
	StepSucceed     = "succeed"
	StepFail        = "fail"
)

var (
	machineSchema = syntax.Schema{Attrs: []syntax.AttrSchema{{Name: "system"}, {Name: "memory"}, {Name: "cpus"}}}
	stepSchema    = syntax.Schema{Attrs: []syntax.AttrSchema{
		{Name: "machine"}, {Name: "timeout"},
		{Name: StepReboot}, {Name: StepCutPower},
		{Name: StepWaitForUnit}, {Name: StepWaitForPort}, {Name: StepSucceed}, {Name: StepFail},
	}}
)

// maxMachineName is the length of a label of a host name (RFC 1035), in bytes.
const maxMachineName = 63

// readMachine reads a machine block, whose label is there.
func readMachine(b *syntax.Block) (TestMachine, diag.List) {
	m := TestMachine{Name: b.Labels[0], Block: b, SystemRange: b.Range}
	diags := b.Body.Check("a machine", machineSchema)
	name := strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-")
	if name != "" || m.Name == "" || m.Name[0] == '-' || len(m.Name) > maxMachineName || m.Name == "localhost" {
		diags = append(diags, diag.Errorf(b.LabelRanges[0], "Invalid name",
			"Other machines of the test find this one by its name, so that is small letters, digits and hyphens, as in machine \"web-1\".")...)
	}
	if a := b.Body.Attr("system"); a != nil {
		var more diag.List
		m.System, more = literal(a, "The system")
		m.SystemRange = a.Expr.Range()
		diags = append(diags, more...)
	}
	return m, diags
}

// literal reads a name that is written in quotes.
func literal(a *syntax.Attr, what string) (string, diag.List) {
	name, ok := a.Expr.StringLiteral()
	if !ok {
		return "", diag.Errorf(a.Expr.Range(), "Wrong "+a.Name, "%s is written as its name in quotes.", what)
	}
	return name, nil
}

// readStep reads a step block, whose label is there.
func readStep(b *syntax.Block, machines []TestMachine) (TestStep, diag.List) {
	s := TestStep{Name: b.Labels[0], Block: b}
	diags := b.Body.Check("a step", stepSchema)
	does := false
	for _, a := range b.Body.Attrs {
		does = does || a.Name != "machine" && a.Name != "timeout"
	}
	if !does && !diags.HasErrors() {
		diags = append(diags, diag.Errorf(b.Body.End, "Step without a check",
			"%s does nothing: give it one of wait_for_unit, wait_for_port, succeed, fail, reboot and cut_power.", b.Header())...)
	}
	var known []string
	for _, m := range machines {
		known = append(known, m.Name)
	}
	a := b.Body.Attr("machine")
	switch {
	case a != nil:
		var more diag.List
		s.Machine, more = literal(a, "The machine")
		diags = append(diags, more...)
		if !more.HasErrors() && !slices.Contains(known, s.Machine) {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Unknown machine", "The test has no machine %q.%s", s.Machine, diag.DidYouMean(s.Machine, known))...)
		}
	case len(known) == 1:
		s.Machine = known[0]
	case len(known) > 1:
		diags = append(diags, diag.Errorf(b.Range, "Missing required argument", "The test has several machines. Say which one the step is about, as in\n\n  machine = %q", known[0])...)
	}
	return s, diags
}

// MachineValues are the values of a machine block's arguments.
type MachineValues struct {
	// Memory is in bytes, CPUs a number of processors; 0 is the usual.
	Memory int64
	CPUs   int
}

// maxCPUs is the largest number of processors of a machine of a test.
const maxCPUs = 64

// Values evaluates the arguments, where names mean what they do in scope.
func (m *TestMachine) Values(scope *eval.Scope) (MachineValues, diag.List) {
	r := &fields{scope: scope, body: m.Block.Body}
	v := MachineValues{Memory: r.size("memory")}
	if cpus, ok := r.limit("cpus"); ok {
		n, ok := wholeNumber(cpus, maxCPUs)
		if !ok {
			r.fail("cpus", "Invalid number of processors", "cpus is a whole number from 1 to 64: this "+eval.Describe(cpus)+".")
		}
		v.CPUs = n
	}
	return v, r.diags
}

// wholeNumber reads a number from 1 to most.
func wholeNumber(v cty.Value, most int64) (int, bool) {
	plain, _ := eval.Plain(v)
	if plain.Type() != cty.Number || plain.IsNull() || !plain.IsKnown() {
		return 0, false
	}
	n, accuracy := plain.AsBigFloat().Int64()
	return int(n), accuracy == big.Exact && n >= 1 && n <= most
}

// StepValues are the values of a step block's arguments.
type StepValues struct {
	Timeout          time.Duration // 0 is the usual
	Reboot, CutPower bool
	WaitForUnit      []string
	WaitForPort      []int
	Succeed, Fail    []string
}

// Values evaluates the arguments, where names mean what they do in scope.
func (s *TestStep) Values(scope *eval.Scope) (StepValues, diag.List) {
	r := &fields{scope: scope, body: s.Block.Body}
	v := StepValues{
		Timeout: r.duration("timeout"), Reboot: r.flag(StepReboot), CutPower: r.flag(StepCutPower),
		WaitForUnit: r.oneOrMore(StepWaitForUnit), Succeed: r.oneOrMore(StepSucceed), Fail: r.oneOrMore(StepFail),
	}
	if v.Reboot && v.CutPower {
		r.fail(StepCutPower, "Conflicting arguments", "A step either restarts the system in order or cuts the power. Make two steps of it.")
	}
	for i, unit := range v.WaitForUnit {
		if !strings.Contains(unit, ".") {
			v.WaitForUnit[i] = unit + ".service"
		}
	}
	v.WaitForPort = r.ports(StepWaitForPort)
	return v, r.diags
}

// handedOver evaluates an argument whose value a machine gets, null is not set.
func (r *fields) handedOver(name string) (cty.Value, bool) {
	a := r.body.Attr(name)
	if a == nil {
		return cty.NilVal, false
	}
	v, diags := eval.Evaluate(a.Expr, r.scope)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	plain, marks := eval.Plain(v)
	switch {
	case marks.Sensitive:
		r.fail(name, "Sensitive value in a test", "This value is marked sensitive, and what a test does is shown when it fails. Let the system read it where it is in the machine.")
		return cty.NilVal, false
	case len(marks.Paths) > 0:
		r.fail(name, "Path that the machine may not have", "This names "+marks.Paths[0].Of+
			" in the store, where only what the system itself needs is in the machine. Make it part of the system, as a file or a symlink, and name that.")
		return cty.NilVal, false
	}
	return plain, !plain.IsNull()
}

func (r *fields) flag(name string) bool {
	v, ok := r.handedOver(name)
	if ok && (!v.IsKnown() || v.Type() != cty.Bool) {
		r.fail(name, "Incorrect type", name+" is true or false: this "+eval.Describe(v)+".")
		return false
	}
	return ok && v.True()
}

// elements are those of a list, or the value itself.
func elements(v cty.Value) []cty.Value {
	if !v.IsKnown() || !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		return []cty.Value{v}
	}
	return v.AsValueSlice()
}

// oneOrMore reads a text or a list of them.
func (r *fields) oneOrMore(name string) []string {
	v, ok := r.handedOver(name)
	if !ok {
		return nil
	}
	var out []string
	for _, e := range elements(v) {
		if !e.IsKnown() || e.Type() != cty.String || e.IsNull() || e.AsString() == "" {
			r.fail(name, "Incorrect type", name+" is a text, or a list of texts to have several: this "+eval.Describe(e)+".")
			return nil
		}
		out = append(out, e.AsString())
	}
	return out
}

// ports reads the number of a port or a list of them.
func (r *fields) ports(name string) []int {
	v, ok := r.handedOver(name)
	if !ok {
		return nil
	}
	var out []int
	const maxPort = 65535
	for _, e := range elements(v) {
		n, ok := wholeNumber(e, maxPort)
		if !ok {
			r.fail(name, "Invalid port", name+" is a whole number from 1 to 65535, or a list of them: this "+eval.Describe(e)+".")
			return nil
		}
		out = append(out, n)
	}
	return out
}
