// Package lint finds what is not wrong in a definition and should be another way:
// names that nobody uses, definitions that say what holds anyway, conditions that
// are always true.
//
// A rule says only what is certain. What may be on purpose is left alone: a value
// that happens to be the default now, a name that another module may ask for. Where
// the author knows better, a comment silences a rule at one place:
//
//	# lint:ignore RULE reason
//
// [Directory] looks at one module. [Rules] are all there is.
package lint
