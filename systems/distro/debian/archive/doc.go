// Package archive decides what of a Debian repository may be believed: [Verify]
// checks the signature of an InRelease file and returns the text that was
// signed, [ParseRelease] reads it, and the [File]s of a [Release] are the digests
// that everything else is compared with.
package archive
