// Package lint has rules about what a module's texts tell alone: names that nobody
// uses, conditions that depend on nothing, the layout. It also reads the comments
// that silence rules.
//
// Package modules/lint adds the rules that know options and other modules, and is
// what callers use.
package lint
