// Package image makes what a machine boots from out of a system in a store.
//
// [Root] is the tree that a generation is mounted from, [Data] the tree of the
// machine's data partition before it has run for the first time: generation 1, the
// contents of its files, and the machine's own directories. Both are trees of
// the store, so that any file system can be made of them.
package image
