// Package builtin has the build steps that sysc does itself, without a sandbox
// and without a process: fetch, unpack, compose, file; and git, for which package
// gitfetch runs the host's. A step is told what to do by data
// ([derivations.Attrs]) and runs no foreign code; what it reads (packages,
// archives, repositories) is hostile input.
//
// The steps write to the store through a small interface ([Store]); nobody looks
// at what they wrote until derivations/build has registered the objects that a
// step has set. What the steps of other packages need too is exported: merging
// trees ([Merger]) and finding references ([References]).
package builtin
