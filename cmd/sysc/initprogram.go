package main

import (
	"embed"
	"fmt"
	"strings"

	"sysc/store"
)

//go:embed initprogram
var initPrograms embed.FS

// initProgram returns sysc-init for a platform, which make build puts into this
// program.
func initProgram(platform string) ([]byte, error) {
	data, err := initPrograms.ReadFile("initprogram/" + strings.ReplaceAll(platform, "/", "-"))
	if err != nil {
		return nil, fmt.Errorf("this sysc was built without the first program of an initrd for %s: build it with make build", platform)
	}
	return data, nil
}

// initProgramDigest is the digest of that program, zero without one: that it is missing
// is told when it is needed.
func initProgramDigest(platform string) store.Digest {
	data, err := initProgram(platform)
	if err != nil {
		return store.Digest{}
	}
	return store.DigestOf(data)
}
