package main

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io"
	"os"
	"strings"

	"sysc/store"
	"sysc/systems"
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

// programName is the file of this program, whatever has become of its name.
const programName = "/proc/self/exe"

// openProgram opens the file of this program.
func openProgram() (*os.File, error) { return os.Open(programName) }

// programFile is this program, for systems that are to have it.
func programFile() (systems.Program, error) {
	f, err := openProgram()
	if err != nil {
		return systems.Program{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return systems.Program{Digest: store.Digest(sum.Sum(nil)), Size: n}, err
}
