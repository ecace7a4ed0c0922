// Package keys holds the keys that Debian signs its archives with. README.md
// says where each file comes from.
package keys

import (
	"bytes"
	_ "embed" // the files below
)

//go:embed debian-archive-bookworm-automatic.gpg
var bookwormAutomatic []byte

//go:embed debian-archive-bookworm-stable.gpg
var bookwormStable []byte

//go:embed debian-archive-bookworm-security-automatic.gpg
var bookwormSecurity []byte

//go:embed debian-archive-trixie-automatic.gpg
var trixieAutomatic []byte

//go:embed debian-archive-trixie-stable.gpg
var trixieStable []byte

//go:embed debian-archive-trixie-security-automatic.gpg
var trixieSecurity []byte

// Main returns the ring of the main archive, as binary OpenPGP packets: the
// automatic and the stable release keys of the supported releases.
func Main() []byte {
	return bytes.Join([][]byte{bookwormAutomatic, bookwormStable, trixieAutomatic, trixieStable}, nil)
}

// Security returns the ring of the security archive.
func Security() []byte {
	return bytes.Join([][]byte{bookwormSecurity, trixieSecurity}, nil)
}
