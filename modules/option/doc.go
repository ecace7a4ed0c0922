// Package option is the engine behind a system's options: what types they have
// ([Type]), how they are declared ([Option], [Schema]), and how the definitions
// that many texts give are merged into one value ([Evaluation], [Node]).
//
// Definitions come in as sources ([Source]): text or values that nobody has
// evaluated. The engine takes the wrappers off (force, default, before, …), so
// that each definition is (conditions, priority, order, value, range), settles
// conditions and priorities, and only then evaluates what is left. All of it is
// lazy: a [Node] that nobody reads costs nothing, and a definition that loses is
// never evaluated.
//
// The package knows no HCL and no system; package modules gives it both. One
// Evaluation is for one goroutine.
package option
