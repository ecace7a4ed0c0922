// Package sign says who vouches for what is in a store: ed25519 signatures of
// statements about objects and realisations.
//
// A statement ([Object], [Realisation]) is a few lines of text whose first one
// says what kind it is, so that a signature of one kind never passes for
// another. A [SecretKey] signs it; [TrustedKeys] tell which of the keys that are
// trusted did. docs/formats.md has statements and key files byte by byte.
//
// Nothing here puts a secret into an error or a printed value.
package sign

import (
	"fmt"
	"strings"

	"sysc/store"
)

// A Statement is what a signature is about, in its canonical bytes.
type Statement []byte

// First lines of statements. Another meaning needs another number.
const (
	objectStatement      = "sysc object 1"
	realisationStatement = "sysc realisation 1"
)

// Object returns the statement "this object is what its makers meant it to be".
//
// It has the digest of the object's record beside its path. The path alone would
// do if ids were not truncated: two objects with one id of 160 bits take some
// 2⁸⁰ steps to find, which is within reach of somebody who can have one of them
// signed and wants to pass the other off for it. The deriver is left out of the
// record, as the same object may have several: nobody vouches for it.
func Object(o *store.Object) Statement {
	bare := *o
	bare.Deriver = ""
	record := store.DigestOf(store.EncodeRecord(&bare))
	return lines(objectStatement, string(o.Path), record.String())
}

// Realisation returns the statement "this output of that derivation is this
// object". It says nothing about the object, which is signed on its own.
func Realisation(r store.Realisation) Statement {
	return lines(realisationStatement, r.Derivation.String(), r.Output, string(r.Path))
}

// lines cannot be read in two ways, because no field has a newline in it.
func lines(fields ...string) Statement {
	return Statement(strings.Join(fields, "\n") + "\n")
}

// checkName reports why a key cannot be called name. The error does not have the
// name, which may be a secret that got into the wrong place.
func checkName(name string) error {
	if store.CheckName(name) != nil {
		return fmt.Errorf("a key's name has 1 to %d characters of 0-9 a-z A-Z + - . _ ? = and does not begin with a dot", store.MaxNameLen)
	}
	return nil
}
