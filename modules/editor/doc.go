// Package editor answers what an editor asks about a definition while somebody
// writes it: what is wrong with it, what may stand at a place, what a name means,
// where it is declared and where it is used.
//
// A [Session] is one definition, with the texts that the editor has in the place
// of files. What a text looks like is taken from outlines ([syntax.Outline]),
// because most of the time it cannot be parsed; what options, functions and
// packages there are is taken from the last text that could be.
//
// Positions are byte offsets. How they travel to an editor is the business of
// package lsp.
package editor
