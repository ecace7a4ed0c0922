package derivations

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"sysc/store"
)

// The first string of every encoding separates the kinds of hashes from one
// another. Changing anything that is encoded means another version, and other
// hashes for everything.
const (
	unresolvedVersion  = "sysc-derivation-4"
	resolvedVersion    = "sysc-resolved-2"
	placeholderVersion = "sysc-placeholder-1"
	outcomeVersion     = "sysc-outcome-1"
)

// ExecVersion is hashed with every exec step that is not fixed. It changes
// whenever what the sandbox shows a program, or what is done with the program's
// files, changes: a result that came about under another behaviour is not the
// result of this one, and nothing else would tell a store so.
const ExecVersion = 2

// How a derivation is identified.
const (
	tagFloating = 0 // by everything in it
	tagFixed    = 1 // by its name and what the result must be
)

// Hash returns the identity of a derivation with placeholders in it. Every
// field counts, except that a fixed-output derivation is identified by Name and
// Fixed alone: fetching the same bytes from elsewhere is the same derivation.
// docs/formats-derivations.md has the encoding byte by byte.
func (d *Derivation) Hash() Hash { return sha256.Sum256(d.encode(unresolvedVersion)) }

// ResolvedHash returns the identity of a resolved derivation, the key of its
// realisations. RunLimits do not count: they cannot show in a result that there
// is. It is never equal to the [Derivation.Hash] of anything. It means nothing for
// a derivation that still has Inputs and is not fixed.
func (d *Derivation) ResolvedHash() store.DerivationHash {
	return sha256.Sum256(d.encode(resolvedVersion))
}

// Outcome returns the key of what a derivation and all behind it came to. It differs
// for programs that resolve derivations in different ways.
func (h Hash) Outcome() [sha256.Size]byte {
	e := make(encoder, 0, 96)
	e.text(outcomeVersion)
	e.text(resolvedVersion)
	e = append(e, h[:]...)
	return sha256.Sum256(e)
}

// OutputNames returns the names of the outputs, sorted; the slice must not be
// changed.
func (d *Derivation) OutputNames() []string {
	if d.Outputs == nil {
		return defaultOutputs
	}
	return d.Outputs
}

var defaultOutputs = []string{DefaultOutput}

// ObjectName returns the name of the object that an output becomes: the
// derivation's, with "-" and the output for any but [DefaultOutput].
func (d *Derivation) ObjectName(output string) string {
	if output == DefaultOutput {
		return d.Name
	}
	return d.Name + "-" + output
}

func (d *Derivation) encode(version string) []byte {
	size := 512 + len(d.Attrs) + 64*(len(d.Inputs)+len(d.Sources))
	for _, a := range d.Args {
		size += 8 + len(a)
	}
	e := make(encoder, 0, size)
	e.text(version)
	if d.Fixed != nil {
		e.uint(tagFixed)
		e.text(d.Name)
		e.uint(uint64(d.Fixed.Kind))
		e = append(e, d.Fixed.Digest[:]...)
		e.bool(d.Fixed.Executable)
		return e
	}
	e.uint(tagFloating)
	e.text(d.Name)
	e.text(d.Platform)
	e.text(d.Builder)
	e.uint(d.behaviour())
	e.texts(d.Args)
	e.uint(uint64(len(d.Env)))
	for _, key := range slices.Sorted(maps.Keys(d.Env)) {
		e.text(key)
		e.text(d.Env[key])
	}
	e.text(string(d.Attrs))
	e.text(d.Root)
	e.bool(d.WritableRoot)
	e.uint(uint64(len(d.Inputs)))
	for _, in := range d.Inputs {
		e = append(e, in.Derivation[:]...)
		e.text(in.Output)
	}
	e.uint(uint64(len(d.Sources)))
	for _, s := range d.Sources {
		e.text(string(s))
	}
	e.texts(d.OutputNames())
	e.limits(&d.Limits)
	if version == unresolvedVersion {
		e.runLimits(&d.RunLimits)
	}
	return e
}

// behaviour returns the version of what runs the step, 0 for builtin steps, whose
// names are all there is.
func (d *Derivation) behaviour() uint64 {
	if d.Builder == BuilderExec {
		return ExecVersion
	}
	return 0
}

// placeholderID returns the id that stands for an output until it is resolved.
func placeholderID(r Ref) string {
	e := make(encoder, 0, 96)
	e.text(placeholderVersion)
	e = append(e, r.Derivation[:]...)
	e.text(r.Output)
	return store.EncodeID(sha256.Sum256(e))
}

// An encoder appends length-framed values: integers as 8 bytes little endian,
// texts as their length and their bytes.
type encoder []byte

func (e *encoder) uint(n uint64) { *e = binary.LittleEndian.AppendUint64(*e, n) }

func (e *encoder) bool(b bool) {
	if b {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) texts(list []string) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		e.text(s)
	}
}
