// Package syntax reads the files of one module into blocks, attributes and
// expressions with their positions. Nothing is evaluated here.
//
// [Load] reads a directory, [Parse] texts that are already in memory; both
// answer with a [Module] as far as it could be understood and the problems
// found. A text is checked against limits before the HCL parser sees it,
// because that parser is recursive and a definition may come from a stranger:
// see [MaxFileSize], [MaxNesting] and [MaxChain].
//
// There are two ways to write a definition, HCL's native syntax and JSON. The same
// model comes out of both. In JSON, only whoever knows the options can tell a block
// from an object among them: see [Expr.Bodies].
//
// An [Expr] is an expression that somebody else may evaluate (package eval).
// What can be said about it without evaluating it has a method: is it a call,
// an object constructor with static keys, a list, a bare word, and what does it
// refer to.
package syntax
