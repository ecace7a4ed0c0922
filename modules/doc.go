// Package modules is the bridge between the language and systems: it merges what
// all texts of a definition say into the options of each system (package
// option), resolves packages by the lock file (package lock), and hands over a
// [systems.Definition] and the derivation graph behind it.
//
// [Load] reads a directory; then [Project.System], [Project.Derivation] and
// [Project.Value] evaluate what is asked for, and [Project.Validate] everything.
// None of that reaches the network or a store. [Project.Lock] does reach the
// network: it is what writes sysc.lock.
//
// Core options, those that everything else is made of, are a table in core.go.
package modules
