package main

import (
	"strings"

	"sysc/derivations/build"
)

// A hint says what is meant by words of a program that failed, to somebody who does
// not know yet what a build is like.
type hint struct {
	words []string
	say   string
}

const noNetwork = "A build has no network: fetchurl, fetchtarball and fetchgit get what it needs, by its hash."

var hints = []hint{
	{[]string{"Read-only file system"}, "Only /build and the outputs can be changed: build outside of $src, or in a copy of it."},
	{[]string{"Temporary failure in name resolution", "Could not resolve host", "Network is unreachable", "no such host"}, noNetwork},
	{[]string{"/homeless-shelter"}, "A build has no home directory: most tools have a variable for another place, which can be in /build."},
}

// exitNotFound is what a shell ends with that finds no program of a name.
const exitNotFound = 127

// hintsFor returns what may help with a failed build.
func hintsFor(e *build.Error) []string {
	var out []string
	if e.ExitCode == exitNotFound {
		out = append(out, "A program is missing: its package has to be in packages, for nothing of this machine is there.")
	}
	last := strings.Join(e.Tail, "\n")
	for _, h := range hints {
		for _, words := range h.words {
			if strings.Contains(last, words) {
				out = append(out, h.say)
				break
			}
		}
	}
	return out
}
