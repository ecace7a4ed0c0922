package lint

import (
	"slices"
	"strings"

	"sysc/lang/lint"
)

// Layout is the name of the rule about files that sysc fmt would change.
const Layout = lint.Layout

// The names of the rules of this package.
const (
	deprecatedName  = "deprecated-name"
	repeatedDefault = "repeated-default"
	needlessForce   = "needless-force"
	unpinnedModule  = "unpinned-module"
	unusedModule    = "unused-module"
)

// A Rule looks for one thing.
type Rule struct {
	Name string
	// About is a sentence about what it finds, without a full stop.
	About string
	// Evaluates is set for a rule that needs more than the text: options of systems, or
	// other modules.
	Evaluates bool

	check func(*run)
}

// Rules returns all rules, sorted by name.
func Rules() []Rule {
	rules := []Rule{
		{deprecatedName, "an option or variable by a name that is deprecated", true, (*run).deprecated},
		{needlessForce, "a force(…) where no other definition would win", true, (*run).needlessForces},
		{repeatedDefault, "a definition that says what the option's default says", true, (*run).repeatedDefaults},
		{unpinnedModule, "a module from git without a version or ref", false, (*run).unpinnedModules},
		{unusedModule, "a module with import = false of which nothing is read or built", true, (*run).unusedModules},
	}
	for _, t := range lint.Rules() {
		rules = append(rules, Rule{t.Name, t.About, false, func(r *run) { r.findings = append(r.findings, t.Check(&r.text)...) }})
	}
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return rules
}

// Names returns the names of all rules, sorted.
func Names() []string {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	return names
}
