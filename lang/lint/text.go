package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A Finding is something that a rule has to say.
type Finding struct {
	// Rule is its name.
	Rule string
	// Diagnostic is a warning with a place.
	*diag.Diagnostic
}

// NewFinding returns a finding. The detail is formatted with args.
func NewFinding(rule string, at diag.Range, summary, detail string, args ...any) Finding {
	return Finding{rule, diag.New(diag.Warning, at, summary, detail, args...)}
}

// Sort orders findings by place, then by rule.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(a.Subject.Compare(*b.Subject), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Summary, b.Summary))
	})
}

// A Text is one module as written.
type Text struct {
	Definition *lang.Definition
	// Tests are the test blocks beside it, which use its names as well.
	Tests []*syntax.Block
	// Files are the texts of both.
	Files map[string][]byte
}

// A Rule looks for one thing in a text.
type Rule struct {
	Name string
	// About is a sentence about what it finds, without a full stop.
	About string

	check func(*run)
}

// A run is one rule at work.
type run struct {
	*Text
	findings []Finding
	// texts are those of expressions that were compared.
	texts map[hclsyntax.Expression]string
}

// Check returns what the rule finds, in no order.
func (r Rule) Check(t *Text) []Finding {
	at := &run{Text: t}
	r.check(at)
	return at.findings
}

// found notes what a rule has found. The detail is formatted with args.
func (r *run) found(rule string, at diag.Range, summary, detail string, args ...any) {
	r.findings = append(r.findings, NewFinding(rule, at, summary, detail, args...))
}

// blocks are those of the module and of its tests.
func (r *run) blocks() []*syntax.Block {
	return slices.Concat(r.Definition.Module.Blocks, r.Tests)
}

// Layout is the name of the rule about files that sysc fmt would change, and Ignore
// of the one about comments that silence others, which [Silence] follows.
const (
	Layout = "format"
	Ignore = "ignore"
)

// The names of the other rules.
const (
	unusedLocal       = "unused-local"
	unusedVariable    = "unused-variable"
	unusedInput       = "unused-input"
	unusedFunction    = "unused-function"
	shadowedName      = "shadowed-name"
	constantCondition = "constant-condition"
	repeatedCondition = "repeated-condition"
	duplicatePackage  = "duplicate-package"
)

// Rules returns the rules of this package.
func Rules() []Rule {
	return []Rule{
		{constantCondition, "a condition that is always true, or never", (*run).constantConditions},
		{duplicatePackage, "a package that stands in one list twice", (*run).duplicatePackages},
		{Layout, "a file that sysc fmt would change", (*run).layout},
		{Ignore, "a lint:ignore comment that gives no reason, names no rule, or silences nothing", func(*run) {}},
		{repeatedCondition, "a condition that one around it has decided", (*run).repeatedConditions},
		{shadowedName, "a name introduced by for or dynamic that hides another one", (*run).shadowedNames},
		{unusedFunction, "a function that nothing calls", (*run).unusedFunctions},
		{unusedInput, "an input that nothing is from", (*run).unusedInputs},
		{unusedLocal, "a local value that nothing reads", (*run).unusedLocals},
		{unusedVariable, "a variable that nothing reads", (*run).unusedVariables},
	}
}
