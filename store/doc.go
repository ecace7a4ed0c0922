// Package store holds the words that everything else speaks about stored
// things in: digests, paths, objects and realisations. It has values and
// contracts only; what keeps them on a disk is store/localstore.
//
// Three layers build on one another:
//
//   - A blob is the bytes of one file, named by their SHA-256 ([Digest]).
//   - A tree is the canonical listing of one directory (package store/tree),
//     named by the SHA-256 of its encoding; sub-directories are trees of their
//     own, so equal sub-trees are stored once and comparing two roots costs
//     what differs.
//   - An [Object] is a tree with a name and references; its [Path] is
//     "<id>-<name>", where the id ([MakeID]) hashes contents, name and
//     references.
//
// A [Realisation] records that an output of a (resolved) derivation is an
// object. Paths are logical: they always begin with [Dir], whatever directory
// the store is kept in, so that every store shares realisations.
package store
