// Package derivations is the model of build steps: what a [Derivation] is, how
// it is encoded and hashed, and the [Graph] that evaluation returns. It builds
// nothing and writes nothing; derivations/build realises a graph.
//
// A derivation names what it needs by text: a [Ref]'s placeholder
// ([Graph.Placeholder]), which looks like a store path, may stand in any
// argument, environment variable, attribute or list of limits, and standing there
// is what makes it an input. Resolving a derivation ([Resolve]) replaces every placeholder by
// the path of the object that realises it; the hash of the resolved derivation
// is the key under which its outputs are recorded. Hence early cutoff: when an
// input is rebuilt to the same object, nothing that needs it has another hash.
//
// There are three kinds of hash here, and three Go types: [Hash] of a derivation
// as evaluated, store.DerivationHash of a resolved one, store.Digest of content.
package derivations
