// Package eval evaluates expressions, and only what they really need.
//
// [Evaluate] walks an expression's tree. A name is looked up when the walk
// comes to it, through the [Resolver] of a [Scope], and only as far as the text
// says: for config.a.b nobody makes a config object. The side of a conditional,
// of && or of || that cannot matter is not looked at, so what is broken there
// does no harm; hence the two results of a conditional need not have one type.
// Everything else behaves as in Terraform, for which the HCL library's own
// operators, templates and functions are used on values that are there already.
//
// A [Cell] is a thing with a name that is computed at most once, and finds out
// when it needs itself. Cells and scopes belong to a [Session], which is the
// evaluation of one definition in one goroutine: it knows what is being computed
// and what the evaluation may still cost.
//
// Marks on values: a [Path] is the path of something that is not built yet, and
// [Sensitive] what must not reach the store. [Plain] takes them off, in the one
// place where a value leaves the language.
package eval
